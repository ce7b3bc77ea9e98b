// SPDX-License-Identifier: Apache-2.0
// What instances and groups track: track_* blocks, vrrp_script, track_file, vrrp_track_process.
#include "userspace/config/fields.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::config {

namespace {

constexpr std::int64_t kMaxInt = 2147483647;

// Weights go into a priority of 1 to 254.
constexpr std::int64_t kMaxWeight = 253;
constexpr std::int64_t kMaxFileWeight = 254;

// More of anything in one instance is a mistake; it bounds the search for duplicates.
constexpr std::size_t kMaxTracked = 255;

/// True, with a report, if a list is full or has an item of this name.
template <class T>
bool no_room(Parsing& parsing, const std::vector<T>& list, const Word& word) {
    if (list.size() >= kMaxTracked) {
        parsing.reporter.error(word, fmt::format("more than {} here; ignored", kMaxTracked));
        return true;
    }
    const bool again =
        std::ranges::any_of(list, [&](const T& other) { return other.name == word.text; });
    if (again)
        parsing.reporter.complaint(
            word, fmt::format("{} is tracked already; ignored", quoted(word.text)));
    return again;
}

/// `weight W`, `reverse`, `noreverse` after the first word of a track_* line.
template <class T>
void read_track_options(Parsing& parsing, const Statement& line, std::int64_t limit, T& tracked) {
    Reporter& reporter = parsing.reporter;
    for (std::size_t at = 1; at < line.words.size(); ++at) {
        const Word& word = line.words[at];
        if (word.text == "weight") {
            if (at + 1 >= line.words.size()) {
                reporter.error(word, "'weight' needs a value; ignored");
                return;
            }
            if (const auto weight = read_number(reporter, line.words[++at], -limit, limit))
                tracked.weight = static_cast<int>(*weight);
        } else if (word.text == "reverse" || word.text == "noreverse") {
            tracked.reverse = word.text == "reverse";
        } else {
            reporter.error(word, fmt::format("unknown option {}; ignored", quoted(word.text)));
        }
    }
}

template <class T>
void parse_tracked(Parsing& parsing,
                   const Statement& block,
                   std::int64_t limit,
                   std::vector<T>& list) {
    for (const auto& line : block.body) {
        if (no_room(parsing, list, line.head())) continue;
        T tracked;
        tracked.name = line.head().text;
        tracked.at = parsing.reporter.at(line.head());
        read_track_options(parsing, line, limit, tracked);
        list.push_back(std::move(tracked));
    }
}

template <class T>
bool read_any_tracking(Parsing& parsing, const Statement& block, T& to) {
    const std::string_view name = block.head().text;
    if (name == "track_interface") {
        parse_tracked(parsing, block, kMaxWeight, to.track_interfaces);
        for (const auto& line : block.body) parsing.interfaces.push_back(line.head());
    } else if (name == "track_script") {
        parse_tracked(parsing, block, kMaxWeight, to.track_scripts);
    } else if (name == "track_file") {
        parse_tracked(parsing, block, kMaxFileWeight, to.track_files);
    } else if (name == "track_process") {
        parse_tracked(parsing, block, kMaxFileWeight, to.track_processes);
    } else if (name == "track_bfd") {
        parse_tracked(parsing, block, kMaxWeight, to.track_bfds);
    } else {
        return false;
    }
    return true;
}

/// weight W [reverse]
template <class T>
auto weight(std::int64_t limit) {
    return [limit](Parsing& parsing, T& to, const Statement& line) {
        Reporter& reporter = parsing.reporter;
        assign(
            reporter, to.weight, read_number(reporter, line.value(), -limit, limit), line.value());
        if (line.values() < 2) return;
        const Word& option = line.value(1);
        if (option.text == "reverse")
            assign(reporter, to.reverse, std::optional(true), option);
        else
            reporter.error(option, fmt::format("unknown option {}; ignored", quoted(option.text)));
    };
}

/// init_file [VALUE] [overwrite]
void parse_init_file(Parsing& parsing, TrackFile& file, const Statement& line) {
    std::optional<std::int64_t> initial = 0;
    const Word* from = &line.head();
    for (std::size_t at = 0; at < line.values(); ++at) {
        if (line.value(at).text == "overwrite") {
            file.overwrite = true;
            continue;
        }
        from = &line.value(at);
        initial = read_number(parsing.reporter, *from, -kMaxInt, kMaxInt);
    }
    assign(parsing.reporter, file.initial, initial, *from);
}

void parse_process(Parsing& parsing, TrackProcess& process, const Statement& line) {
    std::vector<std::string> words = split_command(line.value().text);
    for (std::size_t at = 1; at < line.values(); ++at) words.push_back(line.value(at).text);
    if (words.empty()) {
        parsing.reporter.error(line.value(), "the process is empty; ignored");
        return;
    }
    assign(parsing.reporter, process.program, std::optional(words.front()), line.value());
    process.parameters.assign(words.begin() + 1, words.end());
}

void parse_match(Parsing& parsing, TrackProcess& process, const Statement& line) {
    using Match = TrackProcess::Match;
    std::optional<Match> match = Match::Exact;
    const Word& word = line.values() > 0 ? line.value() : line.head();
    if (line.values() > 0) {
        if (word.text == "initial")
            match = Match::Initial;
        else if (word.text == "partial")
            match = Match::Partial;
        else {
            match.reset();
            parsing.reporter.error(
                word,
                fmt::format("unknown param_match {}; ignored", quoted(word.text)),
                "initial and partial are known");
        }
    }
    assign(parsing.reporter, process.match, match, word);
}

void parse_both_delays(Parsing& parsing, TrackProcess& process, const Statement& line) {
    seconds(&TrackProcess::fork_delay, Nanos(0))(parsing, process, line);
    process.terminate_delay = process.fork_delay;
}

const Fields<VrrpScript>& script_fields() {
    using S = VrrpScript;
    static const Fields<S> fields{
        {"interval", seconds(&S::interval)},
        {"timeout", seconds(&S::timeout)},
        {"weight", weight<S>(kMaxWeight)},
        {"rise", number(&S::rise, 1, kMaxInt)},
        {"fall", number(&S::fall, 1, kMaxInt)},
        {"init_fail", flag(&S::init_fail)},
    };
    return fields;
}

}  // namespace

bool read_tracking(Parsing& parsing, const Statement& block, VrrpInstance& instance) {
    return read_any_tracking(parsing, block, instance);
}

bool read_tracking(Parsing& parsing, const Statement& block, SyncGroup& group) {
    return read_any_tracking(parsing, block, group);
}

void parse_vrrp_script(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    if (already_defined(parsing, statement)) return;
    VrrpScript script;
    script.name = statement.value().text;
    script.at = reporter.at(statement.value());
    std::optional<Script> command;
    bool given = false;
    const Statement* user = nullptr;
    for (const auto& line : statement.body) {
        if (line.head().text == "script") {
            given = true;
            command = read_script(reporter, line);
        } else if (line.head().text == "user") {
            user = &line;
        } else {
            read_field(script_fields(), parsing, script, line);
        }
    }
    if (!command) {
        if (!given)
            reporter.error(
                statement.head(),
                fmt::format("vrrp_script {} has no script; ignored", quoted(script.name)));
        parsing.faulty.insert(script.name);
        return;
    }
    script.script = std::move(*command);
    if (user != nullptr) {
        script.script.user = user->value().text;
        if (user->values() > 1) script.script.group = user->value(1).text;
    }
    if (!script.timeout.set) script.timeout.value = script.interval.value;
    parsing.config.scripts.push_back(std::move(script));
}

void parse_track_file(Parsing& parsing, const Statement& statement) {
    using F = TrackFile;
    static const Fields<F> fields{{"file", text(&F::path)},
                                  {"weight", weight<F>(kMaxFileWeight)},
                                  {"init_file", parse_init_file}};
    if (already_defined(parsing, statement)) return;
    TrackFile file;
    file.name = statement.value().text;
    file.at = parsing.reporter.at(statement.value());
    read_fields(fields, parsing, file, statement);
    if (file.path.value.empty()) {
        parsing.reporter.error(
            statement.head(), fmt::format("track_file {} has no file; ignored", quoted(file.name)));
        parsing.faulty.insert(file.name);
        return;
    }
    parsing.config.track_files.push_back(std::move(file));
}

void parse_track_process(Parsing& parsing, const Statement& statement) {
    using P = TrackProcess;
    static const Fields<P> fields{
        {"process", parse_process},
        {"param_match", parse_match},
        {"weight", weight<P>(kMaxFileWeight)},
        {"quorum", number(&P::quorum, 1, 65535)},
        {"quorum_max", number(&P::quorum_max, 0, 65535)},
        {"fork_delay", seconds(&P::fork_delay, Nanos(0))},
        {"terminate_delay", seconds(&P::terminate_delay, Nanos(0))},
        {"delay", parse_both_delays},
        {"full_command", flag(&P::full_command)},
    };
    if (already_defined(parsing, statement)) return;
    TrackProcess process;
    process.name = statement.value().text;
    process.at = parsing.reporter.at(statement.value());
    read_fields(fields, parsing, process, statement);
    if (process.program.value.empty()) {
        parsing.reporter.error(
            statement.head(),
            fmt::format("vrrp_track_process {} has no process; ignored", quoted(process.name)));
        parsing.faulty.insert(process.name);
        return;
    }
    if (*process.quorum_max < *process.quorum) {
        parsing.reporter.complaint(
            parsing.reporter.word_at(process.quorum_max.at),
            fmt::format("quorum_max {} is less than quorum {}; it is not used",
                        *process.quorum_max,
                        *process.quorum));
        process.quorum_max = P{}.quorum_max;
    }
    parsing.config.track_processes.push_back(std::move(process));
}

}  // namespace vipd::config

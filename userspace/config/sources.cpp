// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/sources.hpp"

namespace vipd::config {

namespace {

constexpr std::string_view kMagic = "vipd configuration 2\n";

void put(std::string& out, std::uint64_t number) {
    for (unsigned shift = 0; shift < 64; shift += 8)
        out += static_cast<char>(static_cast<unsigned char>(number >> shift & 0xffU));
}

void put(std::string& out, std::string_view text) {
    put(out, text.size());
    out += text;
}

/// Takes what put() has written; after a mistake everything is empty and ok() false.
class Taker {
  public:
    explicit Taker(std::string_view bytes) : rest_(bytes) {}

    bool ok() const { return ok_; }
    bool done() const { return ok_ && rest_.empty(); }

    std::uint64_t number() {
        if (rest_.size() < 8) return fail();
        std::uint64_t number = 0;
        for (unsigned at = 0; at < 8; ++at)
            number |= std::uint64_t{static_cast<unsigned char>(rest_[at])} << (8 * at);
        rest_.remove_prefix(8);
        return number;
    }

    /// A number of things that take at least eight bytes each.
    std::uint64_t count() {
        const std::uint64_t count = number();
        return count <= rest_.size() / 8 ? count : fail();
    }

    std::string text() {
        const std::uint64_t size = number();
        if (size > rest_.size()) {
            fail();
            return {};
        }
        std::string text(rest_.substr(0, size));
        rest_.remove_prefix(size);
        return text;
    }

  private:
    std::uint64_t fail() {
        ok_ = false;
        rest_ = {};
        return 0;
    }

    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace

Sources Record::listen(Sources sources) {
    directory_ = sources.directory;
    include_check_ = sources.include_check;
    seed_ = sources.seed;
    Sources heard = sources;
    if (sources.include)
        heard.include = [this, ask = std::move(sources.include)](const std::string& pattern,
                                                                 const std::string& directory) {
            return includes_.emplace_back(ask(pattern, directory));
        };
    if (sources.variable)
        heard.variable = [this, ask = std::move(sources.variable)](const std::string& name) {
            return variables_.emplace_back(ask(name));
        };
    if (sources.key_file)
        heard.key_file = [this, ask = std::move(sources.key_file)](const std::string& path) {
            return key_files_.emplace_back(ask(path));
        };
    return heard;
}

Sources Record::replay() const {
    Sources sources;
    sources.directory = directory_;
    sources.include_check = include_check_;
    sources.seed = seed_;
    sources.include = [answers = includes_, at = std::size_t{0}](const std::string&,
                                                                 const std::string&) mutable {
        return at < answers.size() ? answers[at++] : IncludeAnswer{};
    };
    sources.variable = [answers = variables_, at = std::size_t{0}](const std::string&) mutable {
        return at < answers.size() ? answers[at++] : std::nullopt;
    };
    sources.key_file = [answers = key_files_, at = std::size_t{0}](const std::string&) mutable {
        return at < answers.size() ? answers[at++] : KeyFile{.text = {}, .problem = "not recorded"};
    };
    return sources;
}

std::string Record::encode() const {
    std::string out(kMagic);
    put(out, text_);
    put(out, directory_);
    put(out, include_check_);
    put(out, seed_);
    put(out, includes_.size());
    for (const auto& answer : includes_) {
        put(out, answer.wildcards ? 1 : 0);
        put(out, answer.files.size());
        for (const auto& file : answer.files) {
            put(out, file.path);
            put(out, file.text);
            put(out, file.problem);
        }
        put(out, answer.unmatched.size());
        for (const auto& pattern : answer.unmatched) put(out, pattern);
    }
    put(out, variables_.size());
    for (const auto& variable : variables_) {
        put(out, variable ? 1 : 0);
        put(out, variable.value_or(""));
    }
    put(out, key_files_.size());
    for (const auto& file : key_files_) {
        put(out, file.text);
        put(out, file.problem);
        put(out, file.open_to_all ? 1 : 0);
    }
    return out;
}

std::optional<Record> Record::decode(std::string_view bytes) {
    if (!bytes.starts_with(kMagic)) return Record(std::string(bytes));
    Taker from(bytes.substr(kMagic.size()));
    Record record(from.text());
    record.directory_ = from.text();
    record.include_check_ = from.text();
    record.seed_ = static_cast<std::uint32_t>(from.number());
    for (std::uint64_t left = from.count(); left > 0 && from.ok(); --left) {
        IncludeAnswer answer;
        answer.wildcards = from.number() != 0;
        for (std::uint64_t files = from.count(); files > 0 && from.ok(); --files) {
            IncludedFile file;
            file.path = from.text();
            file.text = from.text();
            file.problem = from.text();
            answer.files.push_back(std::move(file));
        }
        for (std::uint64_t patterns = from.count(); patterns > 0 && from.ok(); --patterns)
            answer.unmatched.push_back(from.text());
        record.includes_.push_back(std::move(answer));
    }
    for (std::uint64_t left = from.count(); left > 0 && from.ok(); --left) {
        const bool set = from.number() != 0;
        std::string value = from.text();
        record.variables_.push_back(set ? std::optional(std::move(value)) : std::nullopt);
    }
    for (std::uint64_t left = from.count(); left > 0 && from.ok(); --left) {
        KeyFile file;
        file.text = from.text();
        file.problem = from.text();
        file.open_to_all = from.number() != 0;
        record.key_files_.push_back(std::move(file));
    }
    if (!from.done()) return std::nullopt;
    return record;
}

}  // namespace vipd::config

// SPDX-License-Identifier: Apache-2.0
// bfd_instance, and what the file says about links: garp_group, interface_up_down_delays,
// linkbeat_interfaces, track_group.
#include "userspace/config/fields.hpp"

#include <fmt/format.h>

namespace vipd::config {

namespace {

constexpr std::size_t kMaxBfdName = 31;
constexpr Nanos kMaxBfdInterval = Seconds(1000);

/// min_rx, min_tx, idle_tx: milliseconds.
auto millis(Value<Nanos> BfdInstance::* member) {
    return [member](Parsing& parsing, BfdInstance& bfd, const Statement& line) {
        const auto number =
            read_number(parsing.reporter, line.value(), 1, kMaxBfdInterval / Millis(1));
        assign(parsing.reporter,
               bfd.*member,
               number ? std::optional<Nanos>(Millis(*number)) : std::nullopt,
               line.value());
    };
}

void parse_bfd_weight(Parsing& parsing, BfdInstance& bfd, const Statement& line) {
    number(&BfdInstance::weight, -253, 253)(parsing, bfd, line);
    if (line.values() < 2) return;
    if (line.value(1).text == "reverse")
        assign(parsing.reporter, bfd.reverse, std::optional(true), line.value(1));
    else
        parsing.reporter.error(
            line.value(1), fmt::format("unknown option {}; ignored", quoted(line.value(1).text)));
}

void add_interface(Parsing& parsing, GarpGroup& group, const Word& word) {
    Value<std::string> interface(word.text);
    interface.at = parsing.reporter.at(word);
    interface.set = true;
    group.interfaces.push_back(std::move(interface));
    parsing.interfaces.push_back(word);
}

}  // namespace

void parse_bfd_instance(Parsing& parsing, const Statement& statement) {
    using B = BfdInstance;
    static const Fields<B> fields{
        {"neighbor_ip", address(&B::neighbour)},
        {"neighbour_ip", address(&B::neighbour)},
        {"source_ip", address(&B::source)},
        {"min_rx", millis(&B::min_rx)},
        {"min_tx", millis(&B::min_tx)},
        {"idle_tx", millis(&B::idle_tx)},
        {"multiplier", number(&B::multiplier, 1, 255)},
        {"passive", flag(&B::passive)},
        {"ttl", number(&B::ttl, 1, 255)},
        {"hoplimit", number(&B::ttl, 1, 255)},
        {"max_hops", number(&B::max_hops, 0, 255)},
        {"multihop", flag(&B::multihop)},
        {"weight", parse_bfd_weight},
        {"vrrp", flag(&B::vrrp)},
        {"checker", flag(&B::checker)},
    };
    Reporter& reporter = parsing.reporter;
    const Word& name = statement.value();
    if (already_defined(parsing, statement)) return;
    BfdInstance bfd;
    bfd.name = name.text;
    bfd.at = reporter.at(name);
    const auto fault = [&](const Word& word, std::string message) {
        reporter.error(word, std::move(message));
        parsing.faulty.insert(bfd.name);
    };
    if (name.text.size() > kMaxBfdName)
        return fault(name,
                     fmt::format("name {} is longer than 31 bytes; ignored", quoted(name.text)));
    read_fields(fields, parsing, bfd, statement);
    if (!bfd.neighbour.set)
        return fault(name,
                     fmt::format("bfd_instance {} has no neighbor_ip; ignored", quoted(bfd.name)));
    if (bfd.source.set && bfd.source->family() != bfd.neighbour->family())
        return fault(reporter.word_at(bfd.source.at),
                     fmt::format("source_ip and neighbor_ip of {} are not of one family; ignored",
                                 quoted(bfd.name)));
    parsing.config.bfd_instances.push_back(std::move(bfd));
}

void parse_garp_group(Parsing& parsing, const Statement& statement) {
    GarpGroup group;
    group.at = parsing.reporter.at(statement.head());
    for (const auto& line : statement.body) {
        const std::string_view name = line.head().text;
        if (name == "garp_interval")
            seconds (&GarpGroup::garp_interval)(parsing, group, line);
        else if (name == "gna_interval")
            seconds (&GarpGroup::gna_interval)(parsing, group, line);
        else if (name == "interface")
            add_interface(parsing, group, line.value());
        else
            for (const auto& interfaces : line.body)
                for (const auto& word : interfaces.words) add_interface(parsing, group, word);
    }
    if (!group.garp_interval.set && !group.gna_interval.set)
        parsing.reporter.complaint(statement.head(), "this garp_group has no interval; ignored");
    else
        parsing.config.garp_groups.push_back(std::move(group));
}

void parse_up_down_delays(Parsing& parsing, const Statement& statement) {
    constexpr Nanos kMax = Seconds(255);
    for (const auto& line : statement.body) {
        UpDownDelay delay;
        delay.interface = line.head().text;
        delay.at = parsing.reporter.at(line.head());
        parsing.interfaces.push_back(line.head());
        if (line.values() == 0) {
            parsing.reporter.error(
                line.head(), fmt::format("{} needs a delay; ignored", quoted(delay.interface)));
            continue;
        }
        const auto down = read_seconds(parsing.reporter, line.value(), Nanos(0), kMax);
        const auto up = line.values() > 1
                            ? read_seconds(parsing.reporter, line.value(1), Nanos(0), kMax)
                            : Nanos(0);
        if (!down || !up) continue;
        delay.down = *down;
        delay.up = *up;
        parsing.config.up_down_delays.push_back(std::move(delay));
    }
}

void parse_linkbeat(Parsing& parsing, const Statement& statement) {
    using Method = Linkbeat::Method;
    for (const auto& line : statement.body) {
        Linkbeat linkbeat;
        linkbeat.interface = line.head().text;
        linkbeat.at = parsing.reporter.at(line.head());
        parsing.interfaces.push_back(line.head());
        if (line.values() > 0) {
            const Word& word = line.value();
            if (word.text == "MII")
                linkbeat.method = Method::Mii;
            else if (word.text == "ETHTOOL")
                linkbeat.method = Method::Ethtool;
            else if (word.text == "IOCTL")
                linkbeat.method = Method::Ioctl;
            else
                parsing.reporter.error(word,
                                       fmt::format("unknown method {}; ignored", quoted(word.text)),
                                       "MII, ETHTOOL and IOCTL are known");
        }
        parsing.config.linkbeat_interfaces.push_back(std::move(linkbeat));
    }
}

void parse_track_group(Parsing& parsing, const Statement& statement) {
    if (already_defined(parsing, statement)) return;
    TrackGroup group;
    group.name = statement.value().text;
    group.at = parsing.reporter.at(statement.value());
    for (const auto& block : statement.body)
        for (const auto& line : block.body)
            for (const auto& word : line.words) {
                Value<std::string> member(word.text);
                member.at = parsing.reporter.at(word);
                member.set = true;
                group.members.push_back(std::move(member));
            }
    parsing.config.track_groups.push_back(std::move(group));
}

}  // namespace vipd::config

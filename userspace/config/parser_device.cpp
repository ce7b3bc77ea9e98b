// SPDX-License-Identifier: Apache-2.0
// use_vmac, use_ipvlan and auth_hmac of an instance.
#include "userspace/config/fields.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::config {

namespace {

constexpr std::size_t kMaxInterface = 15;  // IFNAMSIZ - 1
constexpr std::int64_t kMaxNumber = 4294967295;

/// Six octets, or the first five.
std::optional<MacAddress> parse_mac(std::string_view text) {
    MacAddress mac{};
    if (text.size() != 17 && text.size() != 14) return std::nullopt;
    for (std::size_t at = 0; at < (text.size() + 1) / 3; ++at) {
        const auto byte = parse_hex(text.substr(at * 3, 2));
        if (!byte || (at > 0 && text[at * 3 - 1] != ':')) return std::nullopt;
        mac[at] = byte->front();
    }
    return mac;
}

/// The name of a device that vipd is to make; one word of use_vmac or use_ipvlan.
void read_device_name(Parsing& parsing, const Word& word, VirtualDevice& device) {
    if (word.text.size() > kMaxInterface)
        parsing.reporter.error(
            word, fmt::format("interface name {} is too long; ignored", quoted(word.text)));
    else if (!device.name.empty())
        parsing.reporter.error(word,
                               fmt::format("{} is a second name; ignored", quoted(word.text)));
    else if (const auto [first, is_new] =
                 parsing.defined.try_emplace("device " + word.text, word.line);
             !is_new)
        parsing.reporter.complaint(
            word,
            fmt::format("device {} has been named in line {} already; the name is ignored",
                        quoted(word.text),
                        first->second));
    else
        device.name = word.text;
}

/// `group N`; false: it is another word.
bool read_link_group(Parsing& parsing,
                     const Statement& line,
                     std::size_t& at,
                     VirtualDevice& device) {
    if (line.value(at).text != "group" || at + 1 >= line.values()) return false;
    if (const auto group = read_number(parsing.reporter, line.value(++at), 0, kMaxNumber))
        device.group = static_cast<std::uint32_t>(*group);
    return true;
}

}  // namespace

void parse_use_vmac(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    VirtualDevice& device = instance.device;
    device = {};
    device.kind = VirtualDevice::Kind::Macvlan;
    device.at = parsing.reporter.at(line.head());
    for (std::size_t at = 0; at < line.values(); ++at) {
        const Word& word = line.value(at);
        if (word.text == "netlink_notify_msg")
            device.netlink_notify = true;
        else if (read_link_group(parsing, line, at, device))
            continue;
        else if (const auto mac = parse_mac(word.text)) {
            device.mac = *mac;
            device.mac_ends_in_vrid = word.text.size() == 14;
        } else
            read_device_name(parsing, word, device);
    }
}

void parse_use_ipvlan(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    using Mode = VirtualDevice::Mode;
    VirtualDevice& device = instance.device;
    device = {};
    device.kind = VirtualDevice::Kind::Ipvlan;
    device.at = parsing.reporter.at(line.head());
    for (std::size_t at = 0; at < line.values(); ++at) {
        const Word& word = line.value(at);
        const std::string_view bare = std::string_view(word.text).substr(0, word.text.find('/'));
        if (word.text == "bridge")
            device.mode = Mode::Bridge;
        else if (word.text == "private")
            device.mode = Mode::Private;
        else if (word.text == "vepa")
            device.mode = Mode::Vepa;
        else if (read_link_group(parsing, line, at, device))
            continue;
        else if (const auto address = IpAddress::parse(bare))
            device.address = *address;
        else
            read_device_name(parsing, word, device);
    }
}

void parse_auth_hmac(Parsing& parsing, VrrpInstance& instance, const Statement& block) {
    Reporter& reporter = parsing.reporter;
    HmacAuth auth;
    for (const auto& line : block.body) {
        const std::string_view name = line.head().text;
        if (name == "key") {
            const auto id = read_number(reporter, line.value(), 0, 255);
            const bool again =
                id && std::ranges::any_of(auth.keys, [&](auto& k) { return k.id == *id; });
            if (again)
                reporter.error(line.value(), fmt::format("key {} stands here twice; ignored", *id));
            else if (id && line.values() > 1)
                auth.keys.push_back({static_cast<std::uint8_t>(*id),
                                     line.value(1).text,
                                     reporter.at(line.value())});
        } else if (name == "active_key") {
            number(&HmacAuth::active_key, 0, 255)(parsing, auth, line);
        } else if (name == "time_window") {
            number(&HmacAuth::time_window, 1, 300)(parsing, auth, line);
        } else if (name == "anti_replay") {
            const Word& word = line.value();
            if (word.text == "time" || word.text == "monotonic")
                assign(reporter, auth.monotonic, std::optional(word.text == "monotonic"), word);
            else
                reporter.error(word,
                               fmt::format("unknown anti_replay {}; ignored", quoted(word.text)),
                               "time and monotonic are known");
        } else if (name == "mode") {
            using Mode = HmacAuth::Mode;
            const Word& word = line.value();
            std::optional<Mode> mode;
            if (word.text == "enforce") mode = Mode::Enforce;
            if (word.text == "permissive") mode = Mode::Permissive;
            if (word.text == "receive-only") mode = Mode::ReceiveOnly;
            if (!mode)
                reporter.error(word,
                               fmt::format("unknown mode {}; ignored", quoted(word.text)),
                               "enforce, permissive and receive-only are known");
            assign(reporter, auth.mode, mode, word);
        }
    }
    if (auth.keys.empty()) {
        reporter.error(block.head(), "auth_hmac has no key; ignored");
        return;
    }
    const bool known =
        std::ranges::any_of(auth.keys, [&](const auto& key) { return key.id == *auth.active_key; });
    if (auth.active_key.set && !known)
        reporter.error(reporter.word_at(auth.active_key.at),
                       fmt::format("there is no key {}; the first is used", *auth.active_key));
    if (!known) auth.active_key.value = auth.keys.front().id;
    instance.auth_hmac = std::move(auth);
}

}  // namespace vipd::config

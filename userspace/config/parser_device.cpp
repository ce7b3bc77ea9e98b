// SPDX-License-Identifier: Apache-2.0
// use_vmac, use_ipvlan and auth_hmac of an instance.
#include "userspace/config/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

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

constexpr std::size_t kMinKey = 32;
constexpr std::size_t kMaxKey = 64;

/// The key that a `hex:` line or any other text stands for.
std::optional<std::string> key_bytes(std::string_view text) {
    if (!text.starts_with("hex:")) return std::string(text);
    const auto bytes = parse_hex(text.substr(4));
    if (!bytes) return std::nullopt;
    return std::string(bytes->begin(), bytes->end());
}

/// Makes a key of what is written; false: it was reported. All is said of the block's line: that
/// of the key holds a secret, and a diagnostic shows its line.
bool read_key(Parsing& parsing, const Word& block, HmacAuth::Key& key) {
    Reporter& reporter = parsing.reporter;
    std::string text = key.secret;
    if (text.starts_with("file:")) {
        if (!parsing.environment.sources.key_file) return true;
        const std::string path = text.substr(5);
        const KeyFile file = parsing.environment.sources.key_file(path);
        if (!file.problem.empty()) {
            reporter.error(block,
                           fmt::format("key {}: {}: {}; ignored", key.id, path, file.problem));
            return false;
        }
        if (file.open_to_all)
            reporter.complaint(
                block, fmt::format("key {}: {} can be read by others", key.id, path), "chmod 600");
        text = file.text.substr(0, file.text.find_last_not_of(" \t\r\n") + 1);
    }
    auto bytes = key_bytes(text);
    if (!bytes) {
        reporter.error(block, fmt::format("key {} is no hexadecimal number; ignored", key.id));
        return false;
    }
    if (bytes->size() < kMinKey || bytes->size() > kMaxKey) {
        reporter.error(
            block,
            fmt::format("key {} has {} bytes; ignored", key.id, bytes->size()),
            fmt::format(
                "{} to {} are allowed; make one with: openssl rand -hex 32", kMinKey, kMaxKey));
        return false;
    }
    key.bytes = std::move(*bytes);
    return true;
}

void read_key_line(Parsing& parsing, HmacAuth& auth, const Word& block, const Statement& line) {
    std::uint8_t id = 0;
    const std::string& number = line.value().text;
    const auto [stop, problem] = std::from_chars(number.data(), number.data() + number.size(), id);
    if (problem != std::errc() || stop != number.data() + number.size() || id == 0) {
        parsing.reporter.error(
            block,
            fmt::format("line {}: a key has a number of 1 to 255; ignored", line.head().line));
        return;
    }
    if (std::ranges::find(auth.keys, id, &HmacAuth::Key::id) != auth.keys.end()) {
        parsing.reporter.error(block, fmt::format("key {} stands here twice; ignored", id));
        return;
    }
    if (line.values() < 2) return;
    HmacAuth::Key key{
        .id = id, .secret = line.value(1).text, .at = parsing.reporter.at(line.value())};
    if (read_key(parsing, block, key)) auth.keys.push_back(std::move(key));
}

}  // namespace

void parse_use_vmac(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    VirtualDevice& device = instance.device;
    device = {};
    device.kind = VirtualDevice::Kind::Macvlan;
    device.at = parsing.reporter.at(line.head());
    for (std::size_t at = 0; at < line.values(); ++at) {
        const Word& word = line.value(at);
        if (word.text == "netlink_notify_msg") {
            device.netlink_notify = true;
            parsing.reporter.warning(
                word, "netlink_notify_msg has no effect: the kernel tells of every device at once");
        } else if (read_link_group(parsing, line, at, device))
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
            read_key_line(parsing, auth, block.head(), line);
        } else if (name == "active_key") {
            number(&HmacAuth::active_key, 1, 255)(parsing, auth, line);
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

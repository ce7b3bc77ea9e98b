// SPDX-License-Identifier: Apache-2.0
// vipd's own block.
#include "userspace/config/parser.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::config {

namespace {

constexpr std::int64_t kMaxSeconds = 86400;

bool is_prime(std::int64_t number) {
    for (std::int64_t divisor = 2; divisor * divisor <= number; ++divisor)
        if (number % divisor == 0) return false;
    return number > 1;
}

void parse_api_listen(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    const Word& word = statement.value();
    Word address = word;
    Word port = statement.values() > 1 ? statement.value(1) : word;
    if (statement.values() == 1) {  // A:PORT, [A]:PORT
        const std::size_t colon = word.text.rfind(':');
        if (colon == std::string::npos) {
            reporter.error(word,
                           fmt::format("{} has no port; ignored", quoted(word.text)),
                           "write ADDRESS:PORT");
            return;
        }
        address.text = word.text.substr(0, colon);
        port.text = word.text.substr(colon + 1);
        if (address.text.starts_with('[') && address.text.ends_with(']'))
            address.text = address.text.substr(1, address.text.size() - 2);
    }
    const auto ip = read_address(reporter, address);
    if (!ip) return;
    const auto number = read_number(reporter, port, 1, 65535);
    if (number) parsing.config.vipd.api_listen = Endpoint{*ip, static_cast<std::uint16_t>(*number)};
}

void parse_vipd_sync(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    Vipd& vipd = parsing.config.vipd;
    for (const auto& line : statement.body) {
        const std::string_view name = line.head().text;
        if (name == "peer") {
            for (std::size_t at = 0; at < line.values(); ++at) {
                Value<IpAddress> peer;
                assign(reporter, peer, read_address(reporter, line.value(at)), line.value(at));
                if (peer.set) vipd.sync_peers.push_back(std::move(peer));
            }
        } else if (name == "key_file") {
            assign_text(reporter, vipd.sync_key_file, line);
        } else if (name == "bind") {
            assign(reporter, vipd.sync_bind, read_address(reporter, line.value()), line.value());
        } else if (name == "port") {
            assign(reporter,
                   vipd.sync_port,
                   read_number(reporter, line.value(), 1, 65535),
                   line.value());
        } else if (name == "wait_limit") {
            assign_seconds(reporter, vipd.sync_wait_limit, line, Nanos(0), Seconds(kMaxSeconds));
        }
    }
    if (!vipd.sync_peers.empty() && !vipd.sync_key_file.set)
        reporter.error(statement.head(),
                       "sync has peers but no key_file; connections are not synchronised",
                       "all directors need the same key file");
}

/// fwmark N { ADDRESS [PORT] PROTOCOL ... }
void parse_vipd_fwmark(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    const auto value = read_number(reporter, statement.value(), 1, 4294967295);
    if (!value) return;
    Fwmark mark{static_cast<std::uint32_t>(*value), reporter.at(statement.value()), {}};
    for (const auto& line : statement.body) {
        const Word& last = line.values() > 0 ? line.value(line.values() - 1) : line.head();
        std::optional<Protocol> protocol;
        for (const Protocol each : {Protocol::Tcp, Protocol::Udp, Protocol::Sctp})
            if (std::ranges::equal(last.text, to_string(each), [](char a, char b) {
                    return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b;
                }))
                protocol = each;
        if (!protocol || line.values() > 2) {
            reporter.error(last, "a line of fwmark is ADDRESS [PORT] PROTOCOL; ignored");
            continue;
        }
        auto range = read_range(parsing, line.head());
        if (!range) continue;
        if (line.values() == 2) {
            const auto port = read_number(reporter, line.value(), 0, 65535);
            if (!port) continue;
            range->port = static_cast<std::uint16_t>(*port);
        }
        mark.carriers.push_back({std::move(*range), *protocol});
    }
    parsing.config.vipd.fwmarks.push_back(std::move(mark));
}

}  // namespace

void parse_vipd(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    Vipd& vipd = parsing.config.vipd;
    for (const auto& line : statement.body) {
        const std::string_view name = line.head().text;
        if (line.keyword->status != Status::Done) continue;
        if (name == "sync") {
            parse_vipd_sync(parsing, line);
            continue;
        }
        if (name == "fwmark") {
            parse_vipd_fwmark(parsing, line);
            continue;
        }
        const Word& word = line.value();
        if (name == "interfaces") {
            for (std::size_t at = 0; at < line.values(); ++at) {
                Value<std::string> interface(line.value(at).text);
                interface.at = reporter.at(line.value(at));
                interface.set = true;
                vipd.interfaces.push_back(std::move(interface));
                parsing.interfaces.push_back(line.value(at));
            }
        } else if (name == "attach_mode") {
            std::optional<Vipd::Attach> mode;
            if (word.text == "auto") mode = Vipd::Attach::NativeElseGeneric;
            if (word.text == "native") mode = Vipd::Attach::Native;
            if (word.text == "generic") mode = Vipd::Attach::Generic;
            if (!mode)
                reporter.error(word,
                               fmt::format("unknown attach mode {}; ignored", quoted(word.text)),
                               "auto, native and generic are known");
            assign(reporter, vipd.attach, mode, word);
        } else if (name == "flow_table_size") {
            assign_number(reporter, vipd.flow_table_size, line, 1024, 1 << 27);
        } else if (name == "ring_size") {
            auto size = read_number(reporter, word, 251, 131071);
            if (size && !is_prime(*size)) {
                std::int64_t near = *size;
                while (!is_prime(near)) ++near;
                reporter.error(word,
                               fmt::format("ring_size {} is not a prime; ignored", *size),
                               fmt::format("the next prime is {}", near));
                size.reset();
            }
            assign(reporter, vipd.ring_size, size, word);
        } else if (name == "lease") {
            if (word.text == "off") {
                assign(reporter, vipd.lease_enabled, std::optional(false), word);
            } else {
                assign_seconds(reporter,
                               vipd.lease,
                               line,
                               std::chrono::milliseconds(10),
                               Seconds(kMaxSeconds));
                if (vipd.lease.set) vipd.lease_enabled.value = true;
            }
        } else if (name == "checkpoint") {
            if (word.text == "off") {
                assign(reporter, vipd.checkpoint_enabled, std::optional(false), word);
            } else if (word.text.starts_with('/')) {
                assign_text(reporter, vipd.checkpoint, line);
                vipd.checkpoint_enabled.value = true;
            } else {
                reporter.error(word, "checkpoint needs an absolute path or off; ignored");
            }
        } else if (name == "checkpoint_interval") {
            assign_seconds(
                reporter, vipd.checkpoint_interval, line, Seconds(1), Seconds(kMaxSeconds));
        } else if (name == "api_socket") {
            if (!word.text.starts_with('/') || word.text.size() > 107)
                reporter.error(word,
                               "api_socket needs an absolute path of at most 107 bytes; ignored");
            else
                assign_text(reporter, vipd.api_socket, line);
        } else if (name == "api_listen") {
            parse_api_listen(parsing, line);
        }
    }
}

}  // namespace vipd::config

// SPDX-License-Identifier: Apache-2.0
// vipadm: ipvsadm for vipd.
#include "tools/vipadm/arguments.hpp"
#include "tools/vipadm/render.hpp"
#include "tools/vipadm/vipd_table.hpp"
#include "tools/vipctl/client.hpp"

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <netinet/in.h>
#include <sstream>
#include <sys/socket.h>

namespace {

using namespace vipd;
using namespace vipd::vipadm;

constexpr const char* kSocket = "/run/vipd/api.sock";
constexpr int kNotReached = 255;
constexpr int kNoSuchService = 1;

const char* protocol_word(Protocol protocol) {
    return protocol == Protocol::Tcp ? "tcp" : protocol == Protocol::Udp ? "udp" : "sctp";
}

std::optional<IpAddress> look_up(const std::string& name) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    addrinfo* found = nullptr;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return std::nullopt;
    sockaddr_in address{};
    std::memcpy(&address, found->ai_addr, sizeof address);
    ::freeaddrinfo(found);
    return IpAddress::v4(ntohl(address.sin_addr.s_addr));
}

std::optional<std::uint16_t> port_of(const std::string& name, Protocol protocol) {
    const servent* entry = ::getservbyname(name.c_str(), protocol_word(protocol));
    if (entry == nullptr) return std::nullopt;
    return ntohs(static_cast<std::uint16_t>(entry->s_port));
}

std::string host_name(const IpAddress& address) {
    std::array<char, NI_MAXHOST> name{};
    sockaddr_storage storage{};
    socklen_t length = 0;
    const auto bytes = address.bytes();
    if (address.is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        std::memcpy(&in.sin_addr, bytes.data(), bytes.size());
        std::memcpy(&storage, &in, length = sizeof in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        std::memcpy(&in.sin6_addr, bytes.data(), bytes.size());
        std::memcpy(&storage, &in, length = sizeof in);
    }
    const auto* raw = reinterpret_cast<const sockaddr*>(&storage);
    if (::getnameinfo(raw, length, name.data(), name.size(), nullptr, 0, NI_NAMEREQD) != 0)
        return address.to_string();
    return name.data();
}

std::string port_name(std::uint16_t port, Protocol protocol) {
    const servent* entry = ::getservbyport(htons(port), protocol_word(protocol));
    return entry != nullptr ? entry->s_name : std::to_string(port);
}

constexpr Names kNames{look_up, port_of};
constexpr Writer kWriter{host_name, port_name};

/// Says why and gives the exit status.
int refused(const Refusal& refusal) {
    fmt::print(stderr, "{}\n", refusal.text);
    return refusal.status;
}

class Tool {
  public:
    explicit Tool(std::string socket) : client_(std::move(socket)) {}

    int run(const std::vector<std::string>& words, bool restoring = false) {
        const auto command = parse(words, kNames);
        if (!command) return refused(command.error());
        switch (command->verb) {
            case Verb::Help:
                fmt::print("{}", usage());
                return 0;
            case Verb::Version:
                fmt::print("vipadm {} (ipvsadm 1.31's command line)\n", VIPD_VERSION);
                return 0;
            case Verb::List:
                return list(*command);
            case Verb::Save:
                return save(*command);
            case Verb::Restore:
                return restore();
            case Verb::StartDaemon:
            case Verb::StopDaemon:
                return refused({kNotReached,
                                "vipd's connection sync is set up in its configuration, not by "
                                "command"});
            default:
                return change(*command, restoring);
        }
    }

  private:
    /// Where vipd cannot be reached this ends in a message, and nothing.
    std::optional<nlohmann::json> get(const std::string& target) {
        const auto answer = client_.get(target);
        if (!answer) {
            fmt::print(stderr, "{}\n", answer.error().message);
            return std::nullopt;
        }
        auto json = nlohmann::json::parse(*answer, nullptr, false);
        if (json.is_object()) return json;
        fmt::print(stderr, "vipd's answer cannot be read\n");
        return std::nullopt;
    }

    std::optional<Table> table() {
        const auto status = get("/v1/status");
        if (!status) return std::nullopt;
        return table_of(*status);
    }

    int list(const Command& command) {
        auto now = table();
        if (!now) return kNotReached;
        if (command.timeouts || command.daemons) {
            fmt::print("{}", command.timeouts ? timeouts(*now) : daemons(*now));
            return 0;
        }
        if (command.connections) {
            const auto flows = get("/v1/flows?limit=1000000");
            if (!flows) return kNotReached;
            fmt::print("{}", connections(connections_of(*flows, *now), command.format));
            return 0;
        }
        if (command.id) {
            std::erase_if(now->services,
                          [&](const Service& service) { return service.id != *command.id; });
            if (now->services.empty()) return refused({kNoSuchService, "No such service"});
        }
        fmt::print("{}", listing(*now, command.format, command.id.has_value(), kWriter));
        return 0;
    }

    int save(const Command& command) {
        const auto now = table();
        if (!now) return kNotReached;
        fmt::print("{}", commands(*now, command.format, kWriter));
        return 0;
    }

    int restore() {
        for (std::string line; std::getline(std::cin, line);) {
            std::istringstream words(line);
            std::vector<std::string> command;
            for (std::string word; words >> word;) command.push_back(word);
            if (command.empty()) continue;
            if (const int status = run(command, true); status != 0) return status;
        }
        return 0;
    }

    int change(const Command& command, bool restoring) {
        const auto body = change_of(command);
        if (!body) return refused(body.error());
        const auto answer = client_.post("/v1/change", body->dump());
        if (answer) return 0;
        // ipvsadm-restore goes on over what is there already.
        const bool there = answer.error().message.ends_with("already exists");
        if (restoring && there) return 0;
        return refused({kNotReached, answer.error().message});
    }

    vipctl::Client client_;
};

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    const char* given = std::getenv("VIPD_SOCKET");
    std::string socket = given != nullptr ? given : kSocket;
    // Before everything that is ipvsadm's.
    if (!words.empty() && words.front().starts_with("--socket=")) {
        socket = words.front().substr(words.front().find('=') + 1);
        words.erase(words.begin());
    }
    return Tool(socket).run(words);
}

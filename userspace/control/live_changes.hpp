// SPDX-License-Identifier: Apache-2.0
// What an operator changes while vipd runs (vipadm): services, real servers and weights beside
// those of the file, and over them. Pure: a command and the file's configuration in, another
// configuration out. They hold until vipd ends, across reloads; the file itself is never touched.
#pragma once

#include "userspace/config/config.hpp"

#include <vipd/error.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vipd::control {

struct LiveCommand {
    enum class Verb : std::uint8_t {
        AddService,
        EditService,
        DeleteService,
        Flush,
        AddServer,
        EditServer,
        DeleteServer,
        Zero,  ///< of one service, or (no service) of all
        SetTimeouts,
    };
    Verb verb = Verb::Zero;
    std::optional<ServiceKey> service;
    std::string scheduler{"wlc"};
    bool hash_port = false, hash_fallback = false;
    Endpoint real{};
    std::string method{"DR"};  ///< "DR", "TUN", "NAT"
    Tunnel tunnel{};           ///< of TUN
    std::uint32_t weight = 1;
    std::uint32_t upper = 0, lower = 0;       ///< thresholds; 0: none
    std::array<std::uint32_t, 3> timeouts{};  ///< tcp, tcpfin, udp; 0: as it is
};

class LiveChanges {
  public:
    /// Takes the command over where it makes sense on top of `file`. Errors are IPVS's, in the
    /// words in which ipvsadm says them.
    Result<> apply(const LiveCommand& command, const config::Config& file);

    /// `file` as it is in force: with everything that was changed.
    config::Config over(config::Config file) const;

    /// Timeouts in force: tcp, tcpfin, udp.
    std::array<std::uint32_t, 3> timeouts(const config::GlobalDefs& file) const;

    /// Whether the service, or one of its real servers, is there or as it is by a command.
    bool touches(const ServiceKey& service) const;
    bool touches(const ServiceKey& service, const Endpoint& real) const;

    /// More than these are refused.
    static constexpr std::size_t kMaxServices = 10'000;
    static constexpr std::size_t kMaxReals = 100'000;

  private:
    struct Patch {
        bool deleted = false;                          ///< the file's is not in force
        std::optional<config::VirtualServer> service;  ///< settings of its own, without reals
        std::map<Endpoint, std::optional<config::RealServer>> reals;  ///< nullopt: deleted
    };
    static void patch(config::VirtualServer& server, const Patch& patch);

    std::map<ServiceKey, Patch> patches_;
    std::array<std::uint32_t, 3> timeouts_{};
};

}  // namespace vipd::control

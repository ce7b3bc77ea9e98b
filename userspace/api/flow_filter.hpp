// SPDX-License-Identifier: Apache-2.0
// Which flows a listing is about. Pure.
#pragma once

#include "userspace/dataplane/dataplane.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vipd::api {

/// An address, network or port as people write it: "10.0.0.5", "10.0.0.0/24", "10.0.0.5:80",
/// "[2001:db8::1]:80", ":80". Unset parts match everything.
struct EndpointPattern {
    std::optional<IpPrefix> network;
    std::optional<std::uint16_t> port;

    static std::optional<EndpointPattern> parse(std::string_view text);
    bool matches(const Endpoint& endpoint) const;
};

/// A conjunction of terms; without terms it matches every flow.
class FlowFilter {
  public:
    static constexpr std::size_t kDefaultLimit = 1000;
    static constexpr std::size_t kMaxTerms = 16;

    using Parameter = std::pair<std::string, std::string>;

    /// From the query's parameters: client, vip, real, any (EndpointPattern), service (an endpoint,
    /// "/TCP" or "/UDP" may follow), protocol, state (ipvsadm's names), synced (true, false) and
    /// limit. Several terms must all match. `max_limit` caps what may be asked for. Error: a
    /// sentence for the client.
    static Result<FlowFilter> parse(std::span<const Parameter> parameters, std::size_t max_limit);

    bool matches(const dataplane::Flow& flow) const;
    std::size_t limit() const { return limit_; }

  private:
    Result<> add(std::string_view name, std::string_view value, std::size_t max_limit);

    std::vector<EndpointPattern> client_, vip_, real_, any_;
    std::optional<Protocol> protocol_;
    std::optional<dataplane::FlowState> state_;
    std::optional<bool> synced_;
    std::size_t limit_ = kDefaultLimit;
};

}  // namespace vipd::api

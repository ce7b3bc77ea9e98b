// SPDX-License-Identifier: Apache-2.0
// interface_up_down_delays: an interface that goes down or comes up counts as before until it has
// stayed so for a while. Pure.
#pragma once

#include <vipd/links.hpp>
#include <vipd/time.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vipd::vrrp {

struct LinkDelay {
    std::string interface;
    Nanos down{0};
    Nanos up{0};
};

class LinkDelays {
  public:
    void configure(const std::vector<LinkDelay>& delays);
    /// Makes of the links as the kernel has them the links as they count now. One that was not
    /// there at the last call, or was another one of that name, counts at once.
    void apply(std::vector<Link>& links, TimePoint now);
    /// When apply() would find another answer for the same links.
    std::optional<TimePoint> wake() const;

  private:
    struct Entry {
        Nanos down{0};
        Nanos up{0};
        int ifindex = 0;  ///< 0: not there
        bool is_up = false;
        std::optional<TimePoint> changes_at{};
    };
    std::map<std::string, Entry> entries_;
};

}  // namespace vipd::vrrp

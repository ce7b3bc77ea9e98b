// SPDX-License-Identifier: Apache-2.0
// Where the XDP program is attached: bpf_links, pinned as link_INTERFACE beside the maps.
#pragma once

#include "userspace/base/fd.hpp"
#include "userspace/dataplane/dataplane.hpp"

#include <map>
#include <string>
#include <vector>

namespace vipd::dataplane {

class XdpLinks {
  public:
    XdpLinks(std::string pin_dir, int program) : pin_dir_(std::move(pin_dir)), program_(program) {}

    /// Puts the program into each pinned link; pins whose interface is gone are removed.
    Result<> adopt();
    Result<AttachedInterface> attach(int ifindex, const std::string& name, AttachMode mode);
    Result<> detach(int ifindex);
    std::vector<AttachedInterface> attached() const;

  private:
    struct Link {
        Fd fd;
        std::string pin;
        AttachedInterface interface;
    };
    bool stands(const Link& link) const;

    std::string pin_dir_;
    int program_;
    std::map<int, Link> links_;  // by ifindex
};

}  // namespace vipd::dataplane

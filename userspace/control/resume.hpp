// SPDX-License-Identifier: Apache-2.0
// What a core leaves to the program that takes its place by exec(): an upgrade without a gap. The
// process, its pins and its vrrp process stay; the new core takes all of that up.
#pragma once

#include <vipd/error.hpp>
#include <vipd/ipc.hpp>

#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace vipd::control {

struct Resume {
    pid_t vrrp = -1;   ///< goes on sending adverts until its successor is ready; -1: there is none
    int channel = -1;  ///< our end of its channel: open, so that it does not take us for dead
    std::map<std::string, ipc::VrrpState> states;  ///< by instance
    bool operator==(const Resume&) const = default;
};

std::string encode(const Resume& resume);
Result<Resume> decode_resume(std::string_view text);

/// The layout of its maps that the program at `path` knows: what it says when it is called with
/// --abi. An error: it cannot be run, or says something else.
Result<std::uint32_t> ask_abi(const std::string& path);

}  // namespace vipd::control

// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/xdp_links.hpp"

#include "userspace/dataplane/bpf_dataplane.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <linux/if_link.h>
#include <net/if.h>
#include <system_error>

namespace vipd::dataplane {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kLinkPrefix = "link_";

/// A bpf file system takes no dots; an interface name has no colon.
std::string pin_name(std::string interface) {
    std::ranges::replace(interface, '.', ':');
    return std::string(kLinkPrefix) + interface;
}

/// The interface that the link is on, 0 if that has gone.
int ifindex_of(int link) {
    bpf_link_info info{};
    std::uint32_t length = sizeof info;
    if (::bpf_obj_get_info_by_fd(link, &info, &length) != 0) return 0;
    return static_cast<int>(info.xdp.ifindex);
}

bool is_native(int ifindex) {
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    if (::bpf_xdp_query(ifindex, 0, &query) != 0) return true;
    return query.attach_mode != XDP_ATTACHED_SKB;
}

std::string interface_name(int ifindex) {
    char name[IF_NAMESIZE] = {};
    return ::if_indextoname(static_cast<unsigned>(ifindex), name) != nullptr ? name : "";
}

tl::unexpected<Error> attach_error(int errnum, const std::string& name, AttachMode mode) {
    switch (errnum) {
        case EBUSY:
        case EEXIST:
            return fail("another XDP program is attached to " + name +
                            ": take it off with ip link set dev " + name + " xdp off",
                        errnum);
        case EPERM:
            return fail("attaching to " + name + " is not permitted: vipd needs CAP_NET_ADMIN",
                        errnum);
        case ENODEV:
            return fail("there is no interface " + name, errnum);
        default:
            break;
    }
    if (mode == AttachMode::Native)
        return fail_errno(
            errnum, "the driver of " + name + " takes no XDP program (attach_mode generic would)");
    return fail_errno(errnum, "cannot attach the XDP program to " + name);
}

}  // namespace

Result<> XdpLinks::adopt() {
    std::error_code error;
    std::vector<fs::path> pins;
    for (const auto& entry : fs::directory_iterator(pin_dir_, error)) {
        if (entry.path().filename().string().starts_with(kLinkPrefix)) pins.push_back(entry);
    }
    for (const fs::path& pin : pins) {
        Fd fd(::bpf_obj_get(pin.c_str()));
        if (!fd) return fail_errno(errno, "cannot open " + pin.string());
        const int ifindex = ifindex_of(fd.get());
        if (ifindex == 0) {
            ::unlink(pin.c_str());
            continue;
        }
        if (::bpf_link_update(fd.get(), program_, nullptr) != 0)
            return fail_errno(errno, "cannot put the program into " + pin.string());
        AttachedInterface interface{.ifindex = ifindex,
                                    .name = interface_name(ifindex),
                                    .native = is_native(ifindex),
                                    .adopted = true};
        links_[ifindex] = {std::move(fd), pin.string(), std::move(interface)};
    }
    return {};
}

bool XdpLinks::stands(const Link& link) const {
    return ifindex_of(link.fd.get()) != 0;
}

Result<AttachedInterface> XdpLinks::attach(int ifindex, const std::string& name, AttachMode mode) {
    if (const auto known = links_.find(ifindex); known != links_.end()) {
        if (stands(known->second)) return known->second.interface;
        ::unlink(known->second.pin.c_str());
        links_.erase(known);
    }
    AttachedInterface interface{.ifindex = ifindex, .name = name};
    LIBBPF_OPTS(bpf_link_create_opts, create);
    create.flags = mode == AttachMode::Generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
    interface.native = mode != AttachMode::Generic;
    Fd fd(::bpf_link_create(program_, ifindex, BPF_XDP, &create));
    const bool taken = errno == EBUSY || errno == EEXIST || errno == EPERM || errno == ENODEV;
    if (!fd && mode == AttachMode::NativeElseGeneric && !taken) {
        create.flags = XDP_FLAGS_SKB_MODE;
        interface.native = false;
        fd.reset(::bpf_link_create(program_, ifindex, BPF_XDP, &create));
    }
    if (!fd) {
        const int errnum = errno;
        // The kernel says EINVAL for an index that is nobody's.
        return attach_error(interface_name(ifindex).empty() ? ENODEV : errnum, name, mode);
    }

    std::string pin = pin_dir_ + "/" + pin_name(name);
    int pinned = ::bpf_obj_pin(fd.get(), pin.c_str());
    if (pinned != 0 && errno == EEXIST) {
        // Of an interface of this name that has gone, or links_ would know it.
        ::unlink(pin.c_str());
        pinned = ::bpf_obj_pin(fd.get(), pin.c_str());
    }
    // Unpinned it would not outlive the daemon. Closing the descriptor detaches it.
    if (pinned != 0) return fail_errno(errno, "cannot pin " + pin);
    links_[ifindex] = {std::move(fd), std::move(pin), interface};
    return interface;
}

Result<> XdpLinks::detach(int ifindex) {
    const auto link = links_.find(ifindex);
    if (link == links_.end()) return {};
    if (::bpf_link_detach(link->second.fd.get()) != 0 && stands(link->second))
        return fail_errno(errno, "cannot detach from " + link->second.interface.name);
    ::unlink(link->second.pin.c_str());
    links_.erase(link);
    return {};
}

std::vector<AttachedInterface> XdpLinks::attached() const {
    std::vector<AttachedInterface> interfaces;
    for (const auto& [ifindex, link] : links_) {
        if (stands(link)) interfaces.push_back(link.interface);
    }
    return interfaces;
}

Result<> detach_all(const std::string& pin_dir) {
    std::error_code error;
    std::vector<fs::path> pins;
    for (const auto& entry : fs::directory_iterator(pin_dir, error)) pins.push_back(entry);
    // Links first: no program may run on half of its maps' names.
    std::ranges::sort(pins);
    for (const fs::path& pin : pins) {
        const std::string name = pin.filename();
        const bool link = name.starts_with(kLinkPrefix);
        if (!link && !name.starts_with("vipd_")) continue;
        if (link) {
            // The pin may not be the only reference.
            const Fd fd(::bpf_obj_get(pin.c_str()));
            if (fd) (void)::bpf_link_detach(fd.get());
        }
        if (::unlink(pin.c_str()) != 0) return fail_errno(errno, "cannot remove " + pin.string());
    }
    ::rmdir(pin_dir.c_str());
    // What was made above it for a named instance; not while another one is in there, nor the file
    // system's own root.
    ::rmdir(fs::path(pin_dir).parent_path().c_str());
    return {};
}

}  // namespace vipd::dataplane

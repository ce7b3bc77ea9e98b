// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/sandbox.hpp"

#include "userspace/base/fd.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <sstream>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace vipd::daemon {

namespace {

// LeakSanitizer traces its own process from a clone of it when it ends.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kTracesItself = true;
#else
constexpr bool kTracesItself = false;
#endif

constexpr id_t kOverflowId = 65534;  // nobody, where no user database says so

struct User {
    std::string name = "nobody";
    uid_t uid = kOverflowId;
    gid_t gid = kOverflowId;
};

User unprivileged_user() {
    for (const char* name : {"vipd", "nobody"}) {
        const passwd* entry = ::getpwnam(name);
        if (entry != nullptr && entry->pw_uid != 0) return {name, entry->pw_uid, entry->pw_gid};
    }
    return {};
}

Result<> become(const User& user) {
    if (::setgroups(0, nullptr) < 0) return fail_errno(errno, "setgroups");
    if (::setresgid(user.gid, user.gid, user.gid) < 0) return fail_errno(errno, "setresgid");
    if (::setresuid(user.uid, user.uid, user.uid) < 0) return fail_errno(errno, "setresuid");
    return {};
}

Result<> clear_capabilities() {
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return fail_errno(errno, "clear ambient capabilities");
    const std::unique_ptr<void, int (*)(void*)> none(cap_init(), cap_free);
    if (!none || cap_set_proc(static_cast<cap_t>(none.get())) < 0)
        return fail_errno(errno, "clear capabilities");
    return {};
}

class Filter {
  public:
    Filter() : context_(seccomp_init(SCMP_ACT_ALLOW)) {}
    ~Filter() {
        if (context_ != nullptr) seccomp_release(context_);
    }
    Filter(const Filter&) = delete;
    Filter& operator=(const Filter&) = delete;

    /// All calls of a name this architecture and library know; the others cannot be made.
    void forbid(const char* name) {
        const int number = seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR || number < 0) return;
        note(seccomp_rule_add(context_, SCMP_ACT_ERRNO(EPERM), number, 0));
    }
    void forbid(int number, const scmp_arg_cmp& when, int errnum = EPERM) {
        note(seccomp_rule_add(
            context_, SCMP_ACT_ERRNO(static_cast<std::uint32_t>(errnum)), number, 1, when));
    }
    void answer(int number, int errnum) {
        note(seccomp_rule_add(
            context_, SCMP_ACT_ERRNO(static_cast<std::uint32_t>(errnum)), number, 0));
    }
    Result<> load() {
        if (context_ == nullptr) return fail_errno(ENOMEM, "seccomp");
        if (error_ == 0) error_ = seccomp_load(context_);
        if (error_ != 0) return fail_errno(-error_, "seccomp");
        return {};
    }

  private:
    void note(int error) {
        if (error_ == 0) error_ = error;
    }
    scmp_filter_ctx context_;
    int error_ = 0;
};

constexpr const char* kForbidden[] = {
    // running something else, or another of us
    "execve",
    "execveat",
    "fork",
    "vfork",
    // other processes
    "kill",
    "tkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_open",
    "pidfd_send_signal",
    "pidfd_getfd",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    // the file system's shape, and ways around paths
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "open_by_handle_at",
    "name_to_handle_at",
    "swapon",
    "swapoff",
    "quotactl",
    "quotactl_fd",
    "acct",
    "mknod",
    "mknodat",
    "fanotify_init",
    // the kernel
    "bpf",
    "perf_event_open",
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "syslog",
    "iopl",
    "ioperm",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "add_key",
    "request_key",
    "keyctl",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "stime",
    "sethostname",
    "setdomainname",
    "vhangup",
    "personality",
    "lookup_dcookie",
    "modify_ldt",
    "uselib",
    "ustat",
    // namespaces and identity
    "unshare",
    "setns",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setfsuid",
    "setfsgid",
    "setgroups",
    "capset",
    // a checker asks, nobody asks it
    "listen",
    "accept",
    "accept4",
};

}  // namespace

Result<> allow_ping() {
    static constexpr const char* kRange = "/proc/sys/net/ipv4/ping_group_range";
    const auto text = read_file(kRange, 100);
    if (!text) return fail(Error{text.error()});
    long low = 1;
    long high = 0;
    std::istringstream(*text) >> low >> high;
    const long group = unprivileged_user().gid;
    if (low <= group && group <= high) return {};
    const bool empty = low > high;
    const std::string wider = std::to_string(empty ? group : std::min(low, group)) + " " +
                              std::to_string(empty ? group : std::max(high, group));
    const Fd file(::open(kRange, O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), wider.data(), wider.size()) < 0)
        return fail_errno(errno, kRange);
    return {};
}

std::uint64_t raise_open_files(std::uint64_t wanted) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return 1024;
    if (limit.rlim_cur < wanted) {
        const rlimit raised{std::min<rlim_t>(wanted, limit.rlim_max), limit.rlim_max};
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    return limit.rlim_cur;
}

Result<std::string> drop_privileges() {
    const rlimit no_core{0, 0};
    (void)::setrlimit(RLIMIT_CORE, &no_core);

    std::string name = "its own user";
    const bool root = ::geteuid() == 0;
    if (root) {
        // First, while we may: what the bounding set lacks no exec brings back.
        for (int cap = 0; cap_get_bound(static_cast<cap_value_t>(cap)) >= 0; ++cap)
            (void)cap_drop_bound(static_cast<cap_value_t>(cap));
        const User user = unprivileged_user();
        if (auto ok = become(user); !ok) return fail(std::move(ok.error()));
        name = user.name;
    }
    if (auto ok = clear_capabilities(); !ok) return fail(std::move(ok.error()));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno(errno, "no_new_privs");
    if (!kTracesItself && ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return fail_errno(errno, "not dumpable");
    if (root && (::setuid(0) == 0 || ::geteuid() == 0)) return fail("root is still within reach");
    return name;
}

Result<> forbid_system_calls() {
    Filter filter;
    for (const char* name : kForbidden) filter.forbid(name);
    if (!kTracesItself) {
        filter.forbid("ptrace");
        // abort() signals its own thread; the other ways to send a signal are closed altogether.
        filter.forbid(SCMP_SYS(tgkill),
                      SCMP_A0(SCMP_CMP_NE, static_cast<scmp_datum_t>(::getpid())));
        // Threads are harmless, processes are not. clone3() hides its flags in memory; the C
        // library takes clone() where there is none.
        filter.forbid(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
        filter.answer(SCMP_SYS(clone3), ENOSYS);
    }
    // AF_UNIX for the log, AF_INET and AF_INET6 for the checks; nothing else, raw ones least of
    // all.
    const int socket = SCMP_SYS(socket);
    filter.forbid(socket, SCMP_A0(SCMP_CMP_EQ, AF_UNSPEC));
    for (scmp_datum_t family = AF_INET + 1; family < AF_INET6; ++family)
        filter.forbid(socket, SCMP_A0(SCMP_CMP_EQ, family));
    filter.forbid(socket, SCMP_A0(SCMP_CMP_GT, AF_INET6));
    constexpr scmp_datum_t kTypeMask = 0xf;
    for (const scmp_datum_t type : {SOCK_RAW, SOCK_PACKET})
        filter.forbid(socket, SCMP_A1(SCMP_CMP_MASKED_EQ, kTypeMask, type));
    return filter.load();
}

}  // namespace vipd::daemon

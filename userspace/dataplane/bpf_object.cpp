// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/bpf_object.hpp"

#include "userspace/dataplane/jiffies_clock.hpp"

#include <vipd/abi/flow.h>
#include <vipd/abi/service.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <vipd_xdp.skel.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <linux/magic.h>
#include <numeric>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <system_error>
#include <utility>
#include <vector>

namespace vipd::dataplane {

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kSmallestTable = 1U << 6;
constexpr std::uint32_t kLargestTable = 1U << 27;

std::function<void(LibbpfLevel, std::string_view)>& libbpf_log() {
    static std::function<void(LibbpfLevel, std::string_view)> log;
    return log;
}

/// What libbpf says while a program is loaded, kept until it is known how that went: where it is
/// not permitted, one sentence says all, and libbpf's many lines none of it.
class HeldLog {
  public:
    HeldLog() : to_(std::exchange(libbpf_log(), nullptr)) {
        if (to_)
            libbpf_log() = [this](LibbpfLevel level, std::string_view text) {
                lines_.emplace_back(level, text);
            };
    }
    HeldLog(const HeldLog&) = delete;
    HeldLog& operator=(const HeldLog&) = delete;
    ~HeldLog() {
        if (to_)
            for (const auto& [level, text] : lines_) to_(level, text);
        libbpf_log() = std::move(to_);
    }
    void forget() { lines_.clear(); }

  private:
    std::function<void(LibbpfLevel, std::string_view)> to_;
    std::vector<std::pair<LibbpfLevel, std::string>> lines_;
};

__attribute__((format(printf, 2, 0))) int print_libbpf(libbpf_print_level level,
                                                       const char* format,
                                                       va_list arguments) {
    if (!libbpf_log()) return 0;
    // Debug messages are only for who asks for them; a verifier log can be megabytes.
    std::array<char, 4096> line{};
    const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
    if (length <= 0) return 0;
    std::string_view text(line.data(), std::min(static_cast<std::size_t>(length), line.size() - 1));
    while (text.ends_with('\n')) text.remove_suffix(1);
    libbpf_log()(level == LIBBPF_WARN   ? LibbpfLevel::Warn
                 : level == LIBBPF_INFO ? LibbpfLevel::Info
                                        : LibbpfLevel::Debug,
                 text);
    return length;
}

/// The directory exists afterwards and is on a bpf file system.
Result<> prepare_directory(const std::string& pin_dir) {
    fs::path existing = pin_dir;
    std::error_code error;
    while (!fs::exists(existing, error) && existing.has_parent_path() &&
           existing != existing.parent_path())
        existing = existing.parent_path();
    struct statfs info{};
    if (::statfs(existing.c_str(), &info) != 0) return fail_errno(errno, existing.string());
    if (static_cast<unsigned long>(info.f_type) != BPF_FS_MAGIC)
        return fail(existing.string() +
                    " is not a bpf file system: run mount -t bpf bpf /sys/fs/bpf");
    // Another instance that ends may take an empty directory on the way to ours with it.
    for (int tries = 0; tries < 3; ++tries)
        if (fs::create_directories(pin_dir, error); error != std::errc::no_such_file_or_directory)
            break;
    if (error) return fail_errno(error.value(), "cannot make the directory " + pin_dir);
    if (::chmod(pin_dir.c_str(), S_IRWXU) != 0) return fail_errno(errno, pin_dir);
    return {};
}

bool pins_in(const std::string& pin_dir, std::string_view prefix) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(pin_dir, error)) {
        if (entry.path().filename().string().starts_with(prefix)) return true;
    }
    return false;
}

Error incompatible(const std::string& pin_dir, const std::string& why) {
    return {"what is pinned in " + pin_dir + " cannot be taken up: " + why +
                "; start fresh (its connections are lost) or run the vipd that made it",
            kIncompatiblePins};
}

/// The meta entry of the maps pinned here; nullopt where nothing is pinned.
Result<std::optional<vipd_meta>> read_meta(const std::string& pin_dir, std::uint32_t flow_slots) {
    if (!pins_in(pin_dir, "vipd_")) return std::nullopt;
    const Fd fd(::bpf_obj_get((pin_dir + "/vipd_meta").c_str()));
    vipd_meta meta{};
    bpf_map_info info{};
    std::uint32_t length = sizeof info;
    const std::uint32_t zero = 0;
    const bool readable = fd && ::bpf_obj_get_info_by_fd(fd.get(), &info, &length) == 0 &&
                          info.value_size == sizeof meta &&
                          ::bpf_map_lookup_elem(fd.get(), &zero, &meta) == 0;
    if (!fd && (errno == EPERM || errno == EACCES)) return fail_errno(errno, pin_dir);
    if (!readable || meta.abi_version == 0) {
        // Left by someone who was stopped while making it: nothing can be attached to it.
        if (!pins_in(pin_dir, "link_")) {
            if (auto cleared = detach_all(pin_dir); !cleared) return fail(cleared.error());
            return std::nullopt;
        }
        return fail(incompatible(pin_dir, "it has no readable vipd_meta"));
    }
    if (meta.abi_version != VIPD_ABI_VERSION)
        return fail(incompatible(pin_dir,
                                 "its layout has version " + std::to_string(meta.abi_version) +
                                     ", not " + std::to_string(VIPD_ABI_VERSION)));
    if (meta.flow_slots != flow_slots)
        return fail(incompatible(pin_dir,
                                 "its flow table has " + std::to_string(meta.flow_slots) +
                                     " slots, not " + std::to_string(flow_slots)));
    return meta;
}

/// Empty if the map pinned at `path` is as the object defines it (or not there), else what is not.
std::string mismatch(const bpf_map* map, const std::string& path) {
    const Fd fd(::bpf_obj_get(path.c_str()));
    if (!fd) return {};
    bpf_map_info info{};
    std::uint32_t length = sizeof info;
    if (::bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0) return "no map";
    if (info.type != ::bpf_map__type(map)) return "type";
    if (info.key_size != ::bpf_map__key_size(map)) return "key size";
    if (info.value_size != ::bpf_map__value_size(map)) return "value size";
    if (info.max_entries != ::bpf_map__max_entries(map)) return "number of entries";
    if (info.map_flags != ::bpf_map__map_flags(map)) return "flags";
    return {};
}

Error load_error(int errnum) {
    switch (errnum) {
        case EPERM:
        case EACCES:
            return {
                "loading the XDP program is not permitted: vipd needs CAP_BPF and "
                "CAP_NET_ADMIN (run it as root)",
                errnum};
        case ENOMEM:
            return {"no memory for the maps: lower flow_table_size", errnum};
        case ENOSYS:
            return {
                "this kernel has no bpf system call: vipd needs Linux 5.15 with CONFIG_BPF and "
                "CONFIG_BPF_SYSCALL",
                errnum};
        default:
            return Error::from_errno(
                errnum, "the kernel refuses the XDP program (Linux 5.15 or later is needed)");
    }
}

}  // namespace

tl::unexpected<Error> map_error(const std::string& map, const char* operation, int errnum) {
    return fail_errno(errnum, "map " + map + ": " + operation);
}

void BpfObject::Destroy::operator()(vipd_xdp* skeleton) const {
    vipd_xdp::destroy(skeleton);
}

Result<BpfObject> BpfObject::open(const Options& options) {
    libbpf_log() = options.libbpf_log;
    ::libbpf_set_print(print_libbpf);
    if (auto ready = prepare_directory(options.pin_dir); !ready) return fail(ready.error());
    if (options.fresh) {
        if (auto cleared = detach_all(options.pin_dir); !cleared) return fail(cleared.error());
        if (auto ready = prepare_directory(options.pin_dir); !ready) return fail(ready.error());
    }
    const std::uint32_t slots =
        std::bit_ceil(std::clamp(options.flow_table_size, kSmallestTable, kLargestTable));

    BpfObject object;
    auto meta = read_meta(options.pin_dir, slots);
    if (!meta) return fail(meta.error());
    object.adopted_ = meta->has_value();
    if (object.adopted_) {
        object.meta_ = **meta;
    } else {
        object.meta_ = {.abi_version = VIPD_ABI_VERSION,
                        .flow_slots = slots,
                        .seed = {},
                        .services_epoch = 0,
                        .nat_reals = 0,
                        .any_port_keys = 0,
                        .refused_vips = 0};
        // Secret and new for each table: it decides which flows share a set.
        if (options.flow_seed)
            std::ranges::copy(*options.flow_seed, object.meta_.seed);
        else if (::getrandom(object.meta_.seed, sizeof object.meta_.seed, 0) !=
                 sizeof object.meta_.seed)
            return fail_errno(errno, "no random numbers");
    }
    if (auto loaded = object.load(options); !loaded) {
        if (!object.adopted_) (void)detach_all(options.pin_dir);
        return fail(loaded.error());
    }
    return object;
}

Result<> BpfObject::load(const Options& options) {
    HeldLog held;
    skeleton_.reset(vipd_xdp::open());
    if (!skeleton_) return fail(load_error(errno));
    ::bpf_map__set_max_entries(skeleton_->maps.vipd_flows, meta_.flow_slots);
    skeleton_->rodata->flow_seed0 = meta_.seed[0];
    skeleton_->rodata->flow_seed1 = meta_.seed[1];
    skeleton_->rodata->flow_set_mask = meta_.flow_slots / VIPD_FLOW_WAYS - 1;
    const JiffiesClock clock = read_jiffies_clock();
    skeleton_->rodata->clock_jiffy_ns = clock.jiffy_ns;
    skeleton_->rodata->clock_offset_ns = clock.offset_ns;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton_->obj) {
        const std::string name = ::bpf_map__name(map);
        if (!name.starts_with("vipd_") || name.find('.') != std::string::npos) continue;
        const std::string path = options.pin_dir + "/" + name;
        if (const std::string wrong = mismatch(map, path); !wrong.empty())
            return fail(incompatible(
                options.pin_dir,
                std::string("map ").append(name).append(" has another ").append(wrong)));
        ::bpf_map__set_pin_path(map, path.c_str());
    }
    if (const int error = vipd_xdp::load(skeleton_.get()); error != 0) {
        if (error == -EPERM) held.forget();
        return fail(load_error(-error));
    }
    // Last, and by this entry a successor knows that the set is complete. For a set that is taken
    // up: its last maker may have ended between a change and what follows it.
    return services_changed(meta_.any_port_keys);
}

Result<> BpfObject::services_changed(std::uint32_t any_port_keys) {
    meta_.any_port_keys = any_port_keys;
    if (++meta_.services_epoch == 0) meta_.services_epoch = 1;
    return map_update(*this, "vipd_meta", std::uint32_t{0}, meta_);
}

Result<> BpfObject::set_refused_vips(std::uint32_t vips) {
    meta_.refused_vips = vips;
    return map_update(*this, "vipd_meta", std::uint32_t{0}, meta_);
}

Result<> BpfObject::set_nat_reals(std::uint32_t reals) {
    meta_.nat_reals = reals;
    return map_update(*this, "vipd_meta", std::uint32_t{0}, meta_);
}

int BpfObject::program() const {
    return ::bpf_program__fd(skeleton_->progs.vipd_ingress);
}

int BpfObject::map(const std::string& name) const {
    return ::bpf_object__find_map_fd_by_name(skeleton_->obj, name.c_str());
}

Result<Fd> BpfObject::make_ring(const std::vector<std::uint32_t>& slots) const {
    const btf* types = ::bpf_object__btf(skeleton_->obj);
    const auto type_id = [&](const char* name, std::uint32_t kind) {
        const int id = ::btf__find_by_name_kind(types, name, kind);
        return id > 0 ? static_cast<std::uint32_t>(id) : 0U;
    };
    LIBBPF_OPTS(bpf_map_create_opts, create);
    create.map_flags = BPF_F_INNER_MAP;
    create.btf_key_type_id = type_id("__u32", BTF_KIND_TYPEDEF);
    create.btf_value_type_id = type_id("vipd_slot", BTF_KIND_STRUCT);
    create.btf_fd = static_cast<std::uint32_t>(::bpf_object__btf_fd(skeleton_->obj));
    const auto count = static_cast<std::uint32_t>(slots.size());
    Fd ring(::bpf_map_create(BPF_MAP_TYPE_ARRAY,
                             "vipd_ring",
                             sizeof(std::uint32_t),
                             sizeof(vipd_slot),
                             count + 1,
                             &create));
    if (!ring) return fail_errno(errno, "map vipd_ring: create");

    std::vector<std::uint32_t> keys(count + 1);
    std::iota(keys.begin(), keys.end(), 0U);
    std::vector<vipd_slot> values{{.real = count}};
    for (const std::uint32_t real : slots) values.push_back({.real = real});
    std::uint32_t written = count + 1;
    if (::bpf_map_update_batch(ring.get(), keys.data(), values.data(), &written, nullptr) != 0)
        return fail_errno(errno, "map vipd_ring: fill");
    return ring;
}

}  // namespace vipd::dataplane

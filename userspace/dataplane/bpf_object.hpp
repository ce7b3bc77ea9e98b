// SPDX-License-Identifier: Apache-2.0
// The loaded XDP program with its maps, made or taken up from pins; and small typed access to maps.
#pragma once

#include "userspace/base/fd.hpp"
#include "userspace/dataplane/bpf_dataplane.hpp"

#include <vipd/abi/base.h>
#include <vipd/error.hpp>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct vipd_xdp;

namespace vipd::dataplane {

class BpfObject {
  public:
    /// See open_bpf_dataplane().
    static Result<BpfObject> open(const Options& options);

    bool adopted() const { return adopted_; }
    const vipd_meta& meta() const { return meta_; }
    /// To be called after each change to vipd_services: from here on the program asks it again.
    Result<> services_changed(std::uint32_t any_port_keys);
    /// How many entries vipd_nat_reals has.
    Result<> set_nat_reals(std::uint32_t reals);
    /// How many entries of vipd_claims are refused.
    Result<> set_refused_vips(std::uint32_t vips);
    int program() const;
    /// -1 for a name that is no map's.
    int map(const std::string& name) const;
    /// A ring of `slots` (reals' ids), as vipd_rings takes it.
    Result<Fd> make_ring(const std::vector<std::uint32_t>& slots) const;

  private:
    struct Destroy {
        void operator()(vipd_xdp* skeleton) const;
    };
    BpfObject() = default;
    Result<> load(const Options& options);

    std::unique_ptr<vipd_xdp, Destroy> skeleton_;
    vipd_meta meta_{};
    bool adopted_ = false;
};

/// "map vipd_reals: update: Cannot allocate memory"
tl::unexpected<Error> map_error(const std::string& map, const char* operation, int errnum);

template <class Key, class Value>
Result<> map_update(const BpfObject& object,
                    const std::string& name,
                    const Key& key,
                    const Value& value) {
    if (::bpf_map_update_elem(object.map(name), &key, &value, BPF_ANY) != 0)
        return map_error(name, "update", errno);
    return {};
}

/// Success also where the key is not there.
template <class Key>
Result<> map_delete(const BpfObject& object, const std::string& name, const Key& key) {
    if (::bpf_map_delete_elem(object.map(name), &key) != 0 && errno != ENOENT)
        return map_error(name, "delete", errno);
    return {};
}

/// All keys of a hash map.
template <class Key>
Result<std::vector<Key>> map_keys(const BpfObject& object, const std::string& name) {
    std::vector<Key> keys;
    Key key{};
    while (::bpf_map_get_next_key(object.map(name), keys.empty() ? nullptr : &keys.back(), &key) ==
           0)
        keys.push_back(key);
    if (errno != ENOENT) return map_error(name, "next key", errno);
    return keys;
}

/// The first `count` elements of an array map, in one call.
template <class Value>
Result<std::vector<Value>> map_array(const BpfObject& object,
                                     const std::string& name,
                                     std::uint32_t count) {
    std::vector<Value> values(count);
    std::vector<std::uint32_t> keys(count);
    std::uint32_t batch = 0;
    if (::bpf_map_lookup_batch(
            object.map(name), nullptr, &batch, keys.data(), values.data(), &count, nullptr) != 0 &&
        errno != ENOENT)
        return map_error(name, "lookup batch", errno);
    return values;
}

/// The values of all CPUs of one element of a per-CPU array.
template <class Value>
Result<std::vector<Value>> map_per_cpu(const BpfObject& object,
                                       const std::string& name,
                                       std::uint32_t key) {
    static_assert(sizeof(Value) % 8 == 0);
    const int cpus = ::libbpf_num_possible_cpus();
    if (cpus < 0) return fail_errno(-cpus, "number of CPUs");
    std::vector<Value> values(static_cast<std::size_t>(cpus));
    if (::bpf_map_lookup_elem(object.map(name), &key, values.data()) != 0)
        return map_error(name, "lookup", errno);
    return values;
}

}  // namespace vipd::dataplane

// SPDX-License-Identifier: Apache-2.0
// What an instance tells of itself.
#include "vrrp/engine/instance.hpp"

#include <chrono>

namespace vipd::vrrp {

ipc::InstanceReport Instance::report() const {
    const bool master = machine_.state == State::Master;
    ipc::InstanceReport report{
        .instance = settings_.name,
        .interface = interface_name_,
        .vrid = settings_.vrid,
        .version = settings_.policy.version,
        .state = machine_.state,
        .base_priority = settings_.policy.priority,
        .priority = machine_.priority,
        .master_priority = master ? machine_.priority : machine_.master_priority,
        .master = master ? settings_.policy.primary : machine_.master,
        .advert_interval_ms = static_cast<std::uint32_t>(
            std::chrono::duration_cast<Millis>(settings_.policy.advert_interval).count()),
        .last_transition_ns =
            static_cast<std::uint64_t>(last_transition_.time_since_epoch().count()),
        .fault = machine_.state == State::Fault && fault_.empty() ? "a member of its sync group"
                                                                  : fault_,
        .vips = {},
        .counters = {{"advert_rx", counters_.advert_rx},
                     {"advert_tx", counters_.advert_tx},
                     {"priority_zero_rx", counters_.priority_zero_rx},
                     {"priority_zero_tx", counters_.priority_zero_tx},
                     {"garp_tx", announcing_.sent},
                     {"send_error", counters_.send_error + announcing_.failed},
                     {"become_master", counters_.become_master},
                     {"release_master", counters_.release_master},
                     {"vip_restored", counters_.vip_restored},
                     {"checksum_form_differs", counters_.checksum_form_differs},
                     {"old_checksum", counters_.old_checksum},
                     {"first_not_link_local", counters_.first_not_link_local},
                     {"address_list_differs", counters_.address_list_differs},
                     {"interval_differs", counters_.interval_differs},
                     {"hmac_missing_accepted", counters_.hmac_missing_accepted},
                     {"hmac_clock_skew", counters_.hmac_clock_skew}}};
    for (const Vip& vip : settings_.vips) report.vips.push_back(vip.prefix.to_string());
    for (const Reject reason : kRejects)
        report.counters.push_back({std::string(counter_name(reason)),
                                   counters_.rejected[static_cast<std::size_t>(reason)]});
    return report;
}

}  // namespace vipd::vrrp

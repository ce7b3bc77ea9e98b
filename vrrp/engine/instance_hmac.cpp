// SPDX-License-Identifier: Apache-2.0
// What an instance does for auth_hmac.
#include "vrrp/engine/instance.hpp"

#include <fmt/format.h>

namespace vipd::vrrp {

// One number for an advert, to however many peers: each sees it grow.
const HmacKey* Instance::next_hmac() {
    if (!settings_.hmac || settings_.hmac->mode == HmacSettings::Mode::ReceiveOnly) return nullptr;
    hmac_sequence_ = next_hmac_sequence(*settings_.hmac, hmac_sequence_, world_.unix_time());
    return settings_.hmac->find(settings_.hmac->active);
}

void Instance::note_hmac(const Decoded& decoded) {
    const auto say = [&](std::string_view what, const char* key) {
        world_.log(LogLevel::Warning,
                   fmt::format(
                       "({}) advert from {}: {}", settings_.name, decoded.source.to_string(), what),
                   settings_.name + key);
    };
    if (decoded.notes.hmac_missing) {
        ++counters_.hmac_missing_accepted;
        say("it has no auth_hmac trailer; mode enforce would drop it", "/hmac_missing_accepted");
    }
    if (decoded.notes.hmac_clock_skew) {
        ++counters_.hmac_clock_skew;
        say(fmt::format("its clock differs from ours by {} s, of the {} s that time_window allows; "
                        "set both by NTP",
                        hmac_skew(decoded.hmac->sequence, world_.unix_time()),
                        settings_.hmac->window),
            "/hmac_clock_skew");
    }
}

}  // namespace vipd::vrrp

// SPDX-License-Identifier: Apache-2.0
#include "tools/vipadm/options.hpp"

#include <array>

namespace vipd::vipadm {

namespace {

using Value = OptionSpec::Value;

constexpr std::array kOptions{
    OptionSpec{'A', "add-service"},
    OptionSpec{'E', "edit-service"},
    OptionSpec{'D', "delete-service"},
    OptionSpec{'C', "clear"},
    OptionSpec{'R', "restore"},
    OptionSpec{'S', "save"},
    OptionSpec{'a', "add-server"},
    OptionSpec{'e', "edit-server"},
    OptionSpec{'d', "delete-server"},
    OptionSpec{'L', "list"},
    OptionSpec{'l', ""},
    OptionSpec{'Z', "zero"},
    OptionSpec{kSet, "set"},
    OptionSpec{kStartDaemon, "start-daemon", Value::Needed},
    OptionSpec{kStopDaemon, "stop-daemon", Value::Needed},
    OptionSpec{'h', "help"},
    OptionSpec{kVersion, "version"},
    OptionSpec{'v', ""},
    OptionSpec{'t', "tcp-service", Value::Needed},
    OptionSpec{'u', "udp-service", Value::Needed},
    OptionSpec{kSctp, "sctp-service", Value::Needed},
    OptionSpec{'f', "fwmark-service", Value::Needed},
    OptionSpec{'6', "ipv6"},
    OptionSpec{'s', "scheduler", Value::Needed},
    OptionSpec{kEngine, "pe", Value::Needed},
    OptionSpec{'p', "persistent", Value::Optional},
    OptionSpec{'M', "netmask", Value::Needed},
    OptionSpec{'r', "real-server", Value::Needed},
    OptionSpec{'g', "gatewaying"},
    OptionSpec{'i', "ipip"},
    OptionSpec{'m', "masquerading"},
    OptionSpec{kTunType, "tun-type", Value::Needed},
    OptionSpec{kTunPort, "tun-port", Value::Needed},
    OptionSpec{kTunNocsum, "tun-nocsum"},
    OptionSpec{kTunCsum, "tun-csum"},
    OptionSpec{kTunRemcsum, "tun-remcsum"},
    OptionSpec{'w', "weight", Value::Needed},
    OptionSpec{'x', "u-threshold", Value::Needed},
    OptionSpec{'y', "l-threshold", Value::Needed},
    OptionSpec{'c', "connection"},
    OptionSpec{kTimeout, "timeout"},
    OptionSpec{kDaemon, "daemon"},
    OptionSpec{kStats, "stats"},
    OptionSpec{kRate, "rate"},
    OptionSpec{kExact, "exact"},
    OptionSpec{kThresholds, "thresholds"},
    OptionSpec{kPersistentConn, "persistent-conn"},
    OptionSpec{kTunInfo, "tun-info"},
    OptionSpec{kNosort, "nosort"},
    OptionSpec{kSort, "sort"},
    OptionSpec{'o', "ops"},
    OptionSpec{'n', "numeric"},
    OptionSpec{'b', "sched-flags", Value::Needed},
    OptionSpec{kSyncid, "syncid", Value::Needed},
    OptionSpec{kMaxlen, "sync-maxlen", Value::Needed},
    OptionSpec{kMcastInterface, "mcast-interface", Value::Needed},
    OptionSpec{kMcastGroup, "mcast-group", Value::Needed},
    OptionSpec{kMcastPort, "mcast-port", Value::Needed},
    OptionSpec{kMcastTtl, "mcast-ttl", Value::Needed},
};

const OptionSpec* by_letter(char letter) {
    for (const auto& option : kOptions)
        if (option.id == letter) return &option;
    return nullptr;
}

const OptionSpec* by_name(std::string_view name) {
    for (const auto& option : kOptions)
        if (!name.empty() && option.name == name) return &option;
    return nullptr;
}

}  // namespace

OptionReader::Option OptionReader::take(const OptionSpec& spec,
                                        std::string written,
                                        std::optional<std::string> attached) {
    Option option{spec.id, std::move(written), std::nullopt};
    if (spec.value == Value::None) return option;
    if (attached) {
        option.value = std::move(attached);
    } else if (at_ < words_.size() &&
               (spec.value == Value::Needed || !words_[at_].starts_with('-'))) {
        option.value = words_[at_++];
    } else if (spec.value == Value::Needed) {
        option.id = kNoValue;
    }
    return option;
}

std::optional<OptionReader::Option> OptionReader::next() {
    while (bundle_.empty()) {
        if (at_ >= words_.size()) return std::nullopt;
        const std::string& word = words_[at_++];
        if (word.starts_with("--") && word.size() > 2) {
            const auto equals = word.find('=');
            const auto* spec = by_name(std::string_view(word).substr(2, equals - 2));
            if (spec == nullptr) return Option{kUnknown, word, std::nullopt};
            std::optional<std::string> attached;
            if (equals != std::string::npos) attached = word.substr(equals + 1);
            return take(*spec, word.substr(0, equals), std::move(attached));
        }
        if (word.starts_with('-') && word.size() > 1)
            bundle_ = word.substr(1);
        else
            rest_.push_back(word);
    }
    const char letter = bundle_.front();
    bundle_.erase(0, 1);
    const std::string written{'-', letter};
    const auto* spec = by_letter(letter);
    if (spec == nullptr) return Option{kUnknown, written, std::nullopt};
    std::optional<std::string> attached;
    if (spec->value != Value::None && !bundle_.empty()) {
        attached = bundle_.starts_with('=') ? bundle_.substr(1) : bundle_;
        bundle_.clear();
    }
    return take(*spec, written, std::move(attached));
}

}  // namespace vipd::vipadm

// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace vipd::config {

namespace {

// More differences than a person reads; bounds what absurd input costs.
constexpr std::size_t kMaxDiagnostics = 1000;

/// The place of a value, or of its instance where it is a default.
template <class T>
const Location& place(const Value<T>& value, const VrrpInstance& instance) {
    return value.at.line != 0 ? value.at : instance.at;
}

class Comparison {
  public:
    Comparison(const VrrpInstance& first, const VrrpInstance& second, std::vector<Diagnostic>& out)
        : first_(first), second_(second), out_(out) {}

    void run() {
        passwords();
        if (*first_.version != *second_.version)
            differ(Severity::Error,
                   first_.version,
                   second_.version,
                   fmt::format("version {} here, {} at {{}}: adverts will be refused",
                               *second_.version,
                               *first_.version));
        intervals();
        addresses();
        if (*first_.priority == *second_.priority)
            differ(Severity::Warning,
                   first_.priority,
                   second_.priority,
                   fmt::format("priority {} here and at {{}}: the higher address decides",
                               *second_.priority));
        const bool unicast = !first_.unicast_peers.empty();
        if (unicast != !second_.unicast_peers.empty())
            report(Severity::Error,
                   first_.at,
                   second_.at,
                   fmt::format("{} here, {} at {{}}: they do not hear one another",
                               unicast ? "multicast" : "unicast_peer",
                               unicast ? "unicast_peer" : "multicast"));
        if (unicast) {
            peers(first_, second_);
            peers(second_, first_);
        }
    }

  private:
    void report(Severity severity,
                const Location& earlier,
                const Location& at,
                std::string_view message) {
        if (out_.size() >= kMaxDiagnostics) return;
        out_.push_back(diagnostic_at(
            severity,
            at,
            fmt::format("virtual_router_id {} ({}): ", *second_.virtual_router_id, second_.name) +
                fmt::format(fmt::runtime(message), earlier.to_string())));
    }

    template <class T>
    void differ(Severity severity,
                const Value<T>& earlier,
                const Value<T>& later,
                std::string_view message) {
        report(severity, place(earlier, first_), place(later, second_), message);
    }

    void passwords() {
        if (*first_.auth_pass == *second_.auth_pass) return;
        const bool here = !second_.auth_pass.value.empty();
        const bool there = !first_.auth_pass.value.empty();
        differ(
            Severity::Error,
            first_.auth_pass,
            second_.auth_pass,
            here && there ? "auth_pass is not the one at {}: both refuse the other's adverts and "
                            "both become master"
            : here        ? "auth_pass here, none at {}: both refuse the other's adverts and both "
                            "become master"
                   : "no auth_pass here, but one at {}: both refuse the other's adverts and both "
                     "become master");
    }

    void intervals() {
        if (*first_.advert_int == *second_.advert_int) return;
        const auto seconds = [](Nanos time) { return std::chrono::duration<double>(time).count(); };
        differ(*second_.version == 2 ? Severity::Error : Severity::Warning,
               first_.advert_int,
               second_.advert_int,
               fmt::format("advert_int {} here, {} at {{}}{}",
                           seconds(*second_.advert_int),
                           seconds(*first_.advert_int),
                           *second_.version == 2 ? ": adverts will be refused" : ""));
    }

    void addresses() {
        missing(first_, second_);
        missing(second_, first_);
    }

    /// Addresses of `has` that `lacks` does not have.
    void missing(const VrrpInstance& has, const VrrpInstance& lacks) {
        for (const auto& vip : has.virtual_ipaddress) {
            const bool there = std::ranges::any_of(lacks.virtual_ipaddress, [&](const auto& other) {
                return other.prefix.address == vip.prefix.address;
            });
            if (there) continue;
            const std::string address = vip.prefix.address.to_string();
            if (&has == &second_)
                report(Severity::Error,
                       first_.at,
                       vip.at,
                       fmt::format("address {} is missing from the instance at {{}}", address));
            else
                report(Severity::Error,
                       vip.at,
                       second_.at,
                       fmt::format("address {} is missing here, it stands at {{}}", address));
        }
    }

    /// Does `listener` name the address that `speaker` sends from?
    void peers(const VrrpInstance& speaker, const VrrpInstance& listener) {
        if (!speaker.unicast_src_ip.set) return;
        const bool named = std::ranges::any_of(listener.unicast_peers, [&](const auto& peer) {
            return *peer == *speaker.unicast_src_ip;
        });
        if (named) return;
        const std::string source = speaker.unicast_src_ip->to_string();
        if (&listener == &second_)
            report(
                Severity::Error,
                speaker.unicast_src_ip.at,
                listener.at,
                fmt::format("unicast_peer does not name {}, the unicast_src_ip at {{}}", source));
        else
            report(Severity::Error,
                   listener.at,
                   speaker.unicast_src_ip.at,
                   fmt::format("unicast_src_ip {} is no unicast_peer of the instance at {{}}",
                               source));
    }

    const VrrpInstance& first_;
    const VrrpInstance& second_;
    std::vector<Diagnostic>& out_;
};

/// The instance of `config` that is the same virtual router as `instance`: of several with its
/// VRID (on different interfaces) the one with its name, or its interface.
const VrrpInstance* counterpart(const Config& config, const VrrpInstance& instance) {
    const VrrpInstance* only = nullptr;
    const VrrpInstance* same_interface = nullptr;
    std::size_t count = 0;
    for (const auto& other : config.instances) {
        if (*other.virtual_router_id != *instance.virtual_router_id) continue;
        if (other.name == instance.name) return &other;
        if (*other.interface == *instance.interface) same_interface = &other;
        only = &other;
        ++count;
    }
    return same_interface != nullptr ? same_interface : count == 1 ? only : nullptr;
}

}  // namespace

std::vector<Diagnostic> compare_peers(std::span<const Config> configs) {
    std::vector<Diagnostic> diagnostics;
    for (std::size_t later = 1; later < configs.size(); ++later)
        for (std::size_t earlier = 0; earlier < later; ++earlier)
            for (const auto& instance : configs[later].instances)
                if (const auto* other = counterpart(configs[earlier], instance))
                    Comparison(*other, instance, diagnostics).run();
    return diagnostics;
}

}  // namespace vipd::config

// SPDX-License-Identifier: Apache-2.0
// An engine between simulated interfaces, a simulated wire and a simulated clock.
#pragma once

#include "tests/unit/vrrp/fake_transport.hpp"
#include "vrrp/engine/engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace vipd::vrrp::test {

inline constexpr int kEth0 = 1;
inline constexpr int kEth1 = 2;
inline constexpr Nanos kDown100 = Seconds(3) + Nanos(609'375'000);

class VrrpEngine : public testing::Test, protected Observer {
  protected:
    VrrpEngine() {
        links.add_link(kEth0, "eth0");
        links.add_link(kEth1, "eth1");
        assign(kEth0, "10.9.0.1/24");
        assign(kEth1, "10.8.0.1/24");
    }

    // Observer
    void state_changed(const ipc::InstanceStateChange& change) override {
        changes.push_back(change);
    }
    void happened(const ipc::InstanceEvent& event) override { told.push_back(event); }
    void log(const LogLine& line) override {
        lines.push_back(line.text);
        keys.push_back(line.rate_key);
    }
    void wake_at(std::optional<TimePoint> when) override { wake = when; }

    void assign(int ifindex, const char* prefix) {
        links.assigned.push_back(
            {.ifindex = ifindex, .prefix = *IpPrefix::parse(prefix), .label = {}, .broadcast = {}});
    }
    bool has(int ifindex, const char* prefix) const {
        return std::ranges::any_of(links.assigned, [&](const auto& a) {
            return a.ifindex == ifindex && a.prefix == *IpPrefix::parse(prefix);
        });
    }

    static InstanceSettings instance(const char* name = "VI_1", std::uint8_t vrid = 51) {
        InstanceSettings settings;
        settings.name = name;
        settings.interface = "eth0";
        settings.vrid = vrid;
        settings.auth = make_auth_pass("secret12");
        settings.group = ip("224.0.0.18");
        settings.vips = {{.prefix = *IpPrefix::parse("10.9.0.100/24"),
                          .device = {},
                          .label = {},
                          .broadcast = {}},
                         {.prefix = *IpPrefix::parse("10.9.0.101/24"),
                          .device = {},
                          .label = {},
                          .broadcast = {}}};
        return settings;
    }
    void run(std::vector<InstanceSettings> instances, std::vector<GroupSettings> groups = {}) {
        engine.configure({std::move(instances), std::move(groups)}, now);
        if (!engine.started()) engine.start(now);
    }
    void pass(Nanos time) {
        const TimePoint end = now + time;
        while (wake && *wake <= end) {
            now = std::max(now, *wake);
            engine.tick(now);
        }
        now = end;
    }
    void become_master() {
        pass(kDown100);
        ASSERT_EQ(state(), State::Master);
        transport.sent.clear();
        lines.clear();
        changes.clear();
        links.calls.clear();
        deliver_events();
    }
    void deliver_events() {
        std::vector<LinkEvent> events;
        (void)links.dispatch([&](const LinkEvent& event) { events.push_back(event); });
        engine.link_events(events, now);
    }
    void set_link(int ifindex, bool up) {
        links.table.at(ifindex).up = links.table.at(ifindex).running = up;
        links.announce({LinkEvent::Kind::Link, ifindex, {}, false});
        deliver_events();
    }
    State state(const std::string& name = "VI_1") const {
        for (const auto& report : engine.reports())
            if (report.instance == name) return report.state;
        return State::Init;
    }
    ipc::InstanceReport report(const std::string& name = "VI_1") const {
        for (const auto& one : engine.reports())
            if (one.instance == name) return one;
        return {};
    }
    std::uint64_t counter(const std::string& name) const {
        for (const auto& one : report().counters)
            if (one.name == name) return one.value;
        ADD_FAILURE() << "no counter " << name;
        return 0;
    }
    /// What was sent, in order: "51:100 > 224.0.0.18", "arp 10.9.0.100".
    std::vector<std::string> wire() const {
        std::vector<std::string> out;
        for (const auto& one : transport.sent)
            out.push_back(one.is_frame() && one.bytes.size() != 42 ? "na"
                          : one.is_frame()
                              ? "arp " +
                                    IpAddress::v4(std::span(one.bytes).subspan<28, 4>()).to_string()
                              : std::to_string(one.vrid()) + ":" + std::to_string(one.priority()) +
                                    " > " + one.destination.to_string());
        return out;
    }
    /// An advert of another router of the same virtual router.
    static Raw advert(std::uint8_t priority, const char* source = "10.9.0.2") {
        Raw raw;
        raw.priority = priority;
        raw.source = ip(source);
        return raw;
    }
    void arrive(const Raw& raw, int ifindex = kEth0) { transport.arrive(ifindex, raw.bytes()); }

    vipd::test::FakeLinks links;
    FakeTransport transport{links};
    TimePoint now{Seconds(5000)};
    std::vector<ipc::InstanceStateChange> changes;
    std::vector<ipc::InstanceEvent> told;
    std::vector<std::string> lines;
    std::vector<std::string> keys;
    std::optional<TimePoint> wake;
    Engine engine{links, transport, *this, [this] { return now + Millis(1); }};
};

}  // namespace vipd::vrrp::test

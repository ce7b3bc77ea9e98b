// SPDX-License-Identifier: Apache-2.0
// What may happen to an interface, in each state of its instance, in peace and with a reload in
// between, told event by event or lost in an overrun: the end is the same.
#include "tests/unit/vrrp/engine_fixture.hpp"

#include <tuple>

namespace vipd::vrrp::test {
namespace {

constexpr int kMadeAnew = 9;

enum class Change : std::uint8_t {
    Deleted,
    Renamed,
    Replaced,
    AddressRemoved,
    AddressChanged,
    MtuChanged
};
constexpr std::array kChanges = {Change::Deleted,
                                 Change::Renamed,
                                 Change::Replaced,
                                 Change::AddressRemoved,
                                 Change::AddressChanged,
                                 Change::MtuChanged};
constexpr std::array kNames = {
    "deleted", "renamed", "replaced", "address_removed", "address_changed", "mtu_changed"};
constexpr std::array kStates = {State::Fault, State::Backup, State::Master};

using Cell = std::tuple<Change, State, bool, bool>;

class VrrpInterfaceChange : public VrrpEngine, public testing::WithParamInterface<Cell> {
  protected:
    Change change() const { return std::get<0>(GetParam()); }
    State where() const { return std::get<1>(GetParam()); }
    bool reloads() const { return std::get<2>(GetParam()); }
    bool overrun() const { return std::get<3>(GetParam()); }

    static InstanceSettings tracking(std::uint8_t priority) {
        InstanceSettings settings = instance();
        settings.policy.priority = priority;
        settings.interfaces = {{.interface = "eth1"}};
        return settings;
    }
    void reach() {
        if (where() == State::Fault)
            links.table.at(kEth1).up = links.table.at(kEth1).running = false;
        run({tracking(100)});
        if (where() == State::Master) pass(kDown100);
        ASSERT_EQ(state(), where());
        deliver_events();
    }
    void tell(const LinkEvent& event) {
        if (!overrun()) links.announce(event);
    }
    /// The kernel has changed; a reload may come before anybody is told.
    void settle(std::uint8_t priority) {
        if (overrun()) links.announce({LinkEvent::Kind::Overrun, 0, {}, false});
        if (reloads()) engine.configure({{tracking(priority)}, {}}, now);
        deliver_events();
        pass(Nanos(0));
    }
    void forget(int ifindex, const char* prefix) {
        std::erase_if(links.assigned, [&](const LinkAddress& one) {
            return one.ifindex == ifindex && one.prefix == *IpPrefix::parse(prefix);
        });
        tell({LinkEvent::Kind::Address, ifindex, IpPrefix::parse(prefix)->address, true});
    }
    void give(int ifindex, const char* prefix) {
        assign(ifindex, prefix);
        tell({LinkEvent::Kind::Address, ifindex, IpPrefix::parse(prefix)->address, false});
    }
    void rename(const char* name) {
        links.table.at(kEth0).name = name;
        tell({LinkEvent::Kind::Link, kEth0, {}, false});
    }
    void remove() {
        links.table.erase(kEth0);
        std::erase_if(links.assigned, [](const auto& one) { return one.ifindex == kEth0; });
        tell({LinkEvent::Kind::Link, kEth0, {}, true});
    }
    void make_anew() {
        links.add_link(kMadeAnew, "eth0");
        tell({LinkEvent::Kind::Link, kMadeAnew, {}, false});
        give(kMadeAnew, "10.9.0.1/24");
    }

    void happen() {
        switch (change()) {
            case Change::Deleted:
                remove();
                break;
            case Change::Renamed:
                rename("away0");
                break;
            case Change::Replaced:
                remove();
                make_anew();
                break;
            case Change::AddressRemoved:
                forget(kEth0, "10.9.0.1/24");
                break;
            case Change::AddressChanged:
                give(kEth0, "10.9.0.7/24");
                forget(kEth0, "10.9.0.1/24");
                break;
            case Change::MtuChanged:
                links.table.at(kEth0).mtu = 1280;
                tell({LinkEvent::Kind::Link, kEth0, {}, false});
        }
    }
    void end() {
        if (change() == Change::Deleted) make_anew();
        if (change() == Change::Renamed) rename("eth0");
        if (change() == Change::AddressRemoved) give(kEth0, "10.9.0.1/24");
    }
    /// Without it there is nothing to work with. A master without an address has its VIPs left.
    bool is_lost() const {
        return change() == Change::Deleted || change() == Change::Renamed ||
               (change() == Change::AddressRemoved && where() != State::Master);
    }
    std::ptrdiff_t held(const char* prefix) const {
        return std::ranges::count_if(links.assigned, [&](const auto& one) {
            return one.prefix == *IpPrefix::parse(prefix);
        });
    }
};

TEST_P(VrrpInterfaceChange, EndsWhereItBeganAndLeavesNothingBehind) {
    reach();
    happen();
    settle(101);
    EXPECT_EQ(state(), is_lost() ? State::Fault : where());
    EXPECT_EQ(held("10.9.0.100/24"), state() == State::Master ? 1 : 0);
    end();
    settle(102);
    const bool stays = where() == State::Master && !is_lost();
    EXPECT_EQ(state(),
              where() == State::Fault ? State::Fault
              : stays                 ? State::Master
                                      : State::Backup);
    if (where() == State::Fault) set_link(kEth1, true);
    pass(kDown100);
    ASSERT_EQ(state(), State::Master);

    const bool anew = change() == Change::Deleted || change() == Change::Replaced;
    const int ifindex = anew ? kMadeAnew : kEth0;
    EXPECT_EQ(held("10.9.0.100/24"), 1);
    EXPECT_TRUE(has(ifindex, "10.9.0.100/24"));
    ASSERT_EQ(transport.opened.size(), 1U);
    EXPECT_TRUE(transport.listens(ifindex, ip("224.0.0.18")));
    transport.sent.clear();
    pass(Seconds(1));
    ASSERT_FALSE(wire().empty());
    EXPECT_EQ(wire()[0], reloads() ? "51:102 > 224.0.0.18" : "51:100 > 224.0.0.18");
    EXPECT_EQ(transport.sent[0].ifindex, ifindex);
    EXPECT_EQ(IpAddress::v4(std::span(transport.sent[0].bytes).subspan<12, 4>()),
              ip(change() == Change::AddressChanged ? "10.9.0.7" : "10.9.0.1"));
    // And it hears.
    arrive(advert(200), ifindex);
    EXPECT_EQ(state(), State::Backup);
    EXPECT_EQ(held("10.9.0.100/24"), 0);
}

INSTANTIATE_TEST_SUITE_P(All,
                         VrrpInterfaceChange,
                         testing::Combine(testing::ValuesIn(kChanges),
                                          testing::ValuesIn(kStates),
                                          testing::Bool(),
                                          testing::Bool()),
                         [](const auto& cell) {
                             return std::string(kNames.at(
                                        static_cast<std::size_t>(std::get<0>(cell.param)))) +
                                    "_" + std::string(to_string(std::get<1>(cell.param))) +
                                    (std::get<2>(cell.param) ? "_reload" : "_peace") +
                                    (std::get<3>(cell.param) ? "_overrun" : "_told");
                         });

}  // namespace
}  // namespace vipd::vrrp::test

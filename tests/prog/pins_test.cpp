// SPDX-License-Identifier: Apache-2.0
// What outlives the process: maps, links, ids, connections; and changes that fail midway.
#include "tests/prog/program_test.hpp"
#include "userspace/base/fd.hpp"

#include <vipd/abi/base.h>

#include <bpf/bpf.h>
#include <dirent.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <linux/bpf.h>
#include <net/if.h>
#include <set>
#include <sys/resource.h>

namespace vipd::testing {

namespace {

using dataplane::AttachMode;
using dataplane::Flow;
using dataplane::FlowState;
using model::Scheduler;

PacketSpec packet(std::uint16_t client_port, std::uint8_t flags) {
    PacketSpec spec;
    spec.from_port = client_port;
    spec.tcp_flags = flags;
    return spec;
}

/// Two ends of a veth pair in this test's own network namespace.
class VethPair {
  public:
    VethPair() { ok_ = sh("ip link add tv0 type veth peer name tv1") && sh("ip link set tv0 up"); }
    ~VethPair() { (void)sh("ip link del tv0 2>/dev/null"); }
    VethPair(const VethPair&) = delete;
    VethPair& operator=(const VethPair&) = delete;
    bool ok() const { return ok_; }
    static bool sh(const char* command) { return std::system(command) == 0; }
    static int index(const char* name) { return static_cast<int>(::if_nametoindex(name)); }

  private:
    bool ok_ = false;
};

/// From here on no more file descriptors than now.
class NoMoreDescriptors {
  public:
    NoMoreDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit limit = before_;
        limit.rlim_cur = 0;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    NoMoreDescriptors(const NoMoreDescriptors&) = delete;
    NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

  private:
    rlimit before_{};
};

}  // namespace

class PinsTest : public ProgramTest {
  protected:
    int connect(std::uint16_t port) {
        const int chosen = real_for(packet(port, kSyn));
        EXPECT_EQ(real_for(packet(port, kAck)), chosen);
        return chosen;
    }
};

TEST_F(PinsTest, SuccessorFindsServicesRealsFlowsAndNextHops) {
    open();
    for (int n = 1; n <= 3; ++n) resolve(n);
    model::Service web = service(80, 3, Scheduler::WeightedRoundRobin);
    web.reals[0].weight = 3;
    web.reals[1].weight = 0;
    web.reals[1].last_weight = 5;
    web.reals[2].alive = false;
    web.tcp_timeout = Seconds(100);
    model::Service dns = service(53, 1, Scheduler::Maglev, Protocol::Udp, model::Method::Tunnel);
    dns.hash_port = dns.hash_fallback = true;
    dns.reals[0].endpoint.port = 5353;
    dns.reals[0].tunnel = {Tunnel::Type::Gue, 6080, Tunnel::Checksum::Remote};
    put(web);
    put(dns);
    const model::Service gone = service(81, 1);
    put(gone);
    PacketSpec to_gone = packet(99, kSyn);
    to_gone.to_port = 81;
    EXPECT_EQ(real_for(to_gone), 1);
    to_gone.tcp_flags = kAck;
    EXPECT_EQ(real_for(to_gone), 1);
    remove(gone);
    const int chosen = connect(1000);
    const auto before = plane->model();
    const auto counted = plane->counters(web.key)->packets;
    close();

    open();
    EXPECT_EQ(plane->model(), before);
    EXPECT_EQ(plane->counters(web.key)->packets, counted);
    EXPECT_EQ(real_for(packet(1000, kAck)), chosen) << "without anything being applied";
    ASSERT_TRUE(flow(1000));
    EXPECT_EQ(flow(1000)->state, FlowState::Established);
    EXPECT_TRUE(model::diff(plane->model(), before).empty());
    put(service(80, 3, Scheduler::Maglev));
    EXPECT_EQ(real_for(packet(1000, kAck)), chosen) << "the ids are the same";
    put(gone);
    EXPECT_EQ(real_for(to_gone), 1) << "and those of what was removed";
}

TEST_F(PinsTest, ALinkThatCannotBePinnedIsAnErrorAndDetached) {
    const VethPair veth;
    ASSERT_TRUE(veth.ok()) << "ip link add type veth";
    open();
    const int index = VethPair::index("tv0");
    std::filesystem::rename(pin_dir, pin_dir + "-away");
    const auto refused = plane->attach(index, "tv0", AttachMode::Native);
    std::filesystem::rename(pin_dir + "-away", pin_dir);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().errnum, ENOENT);
    EXPECT_NE(refused.error().message.find("cannot pin " + pin_dir + "/link_tv0"),
              std::string::npos)
        << refused.error().message;
    EXPECT_TRUE(plane->attached().empty());
    const auto attached = plane->attach(index, "tv0", AttachMode::Native);
    EXPECT_TRUE(attached) << "something is left on it";
    EXPECT_TRUE(plane->detach(index));
}

TEST_F(PinsTest, LinksSurviveAndTheSuccessorsProgramGoesInWithoutDetaching) {
    const VethPair veth;
    ASSERT_TRUE(veth.ok()) << "ip link add type veth";
    open();
    const int index = VethPair::index("tv0");
    const auto attached = plane->attach(index, "tv0", AttachMode::Native);
    ASSERT_TRUE(attached) << attached.error().message;
    EXPECT_TRUE(attached->native);
    EXPECT_FALSE(attached->adopted);
    EXPECT_TRUE(std::filesystem::exists(pin_dir + "/link_tv0"));
    const auto program_on = [&] {
        bpf_link_info info{};
        std::uint32_t length = sizeof info;
        const Fd link(::bpf_obj_get((pin_dir + "/link_tv0").c_str()));
        EXPECT_EQ(::bpf_obj_get_info_by_fd(link.get(), &info, &length), 0);
        return std::pair(info.id, info.prog_id);
    };
    const auto [link, program] = program_on();
    close();
    EXPECT_EQ(program_on(), std::pair(link, program)) << "with no process at all";

    open();
    EXPECT_EQ(program_on().first, link);
    EXPECT_NE(program_on().second, program);
    ASSERT_EQ(plane->attached().size(), 1U);
    EXPECT_TRUE(plane->attached()[0].adopted);
    EXPECT_TRUE(plane->attached()[0].native);
    EXPECT_EQ(plane->attached()[0].name, "tv0");
    EXPECT_TRUE(plane->attach(index, "tv0", AttachMode::Native)->adopted);
    ASSERT_TRUE(plane->detach(index));
    EXPECT_TRUE(plane->attached().empty());
    EXPECT_FALSE(std::filesystem::exists(pin_dir + "/link_tv0"));
    const auto again = plane->attach(index, "tv0", AttachMode::Generic);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_FALSE(again->native);
    close();
    open();
    EXPECT_FALSE(plane->attached().at(0).native);
}

TEST_F(PinsTest, FallsBackToGenericOnlyAsAskedAndSaysSo) {
    open();  // lo has no native XDP
    const int lo = VethPair::index("lo");
    const auto native = plane->attach(lo, "lo", AttachMode::Native);
    ASSERT_FALSE(native);
    EXPECT_NE(native.error().message.find("the driver of lo takes no XDP program"),
              std::string::npos)
        << native.error().message;
    const auto either = plane->attach(lo, "lo", AttachMode::NativeElseGeneric);
    ASSERT_TRUE(either) << either.error().message;
    EXPECT_FALSE(either->native);
    const auto nowhere = plane->attach(9999, "nope0", AttachMode::NativeElseGeneric);
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().message, "there is no interface nope0");
}

TEST_F(PinsTest, SomeoneElsesProgramIsLeftAlone) {
    const VethPair veth;
    ASSERT_TRUE(veth.ok());
    open();
    ASSERT_TRUE(plane->attach(VethPair::index("tv0"), "tv0", AttachMode::Native));
    close();
    const std::string first = pin_dir;
    pin_dir += "-second";
    open();
    const auto refused =
        plane->attach(VethPair::index("tv0"), "tv0", AttachMode::NativeElseGeneric);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("another XDP program is attached to tv0"),
              std::string::npos)
        << refused.error().message;
    close();
    EXPECT_TRUE(dataplane::detach_all(pin_dir));
    pin_dir = first;
}

TEST_F(PinsTest, PinOfAnInterfaceThatIsGoneIsRemoved) {
    {
        const VethPair veth;
        ASSERT_TRUE(veth.ok());
        open();
        ASSERT_TRUE(plane->attach(VethPair::index("tv0"), "tv0", AttachMode::Native));
    }
    EXPECT_TRUE(plane->attached().empty());
    const VethPair again;
    ASSERT_TRUE(plane->attach(VethPair::index("tv0"), "tv0", AttachMode::Native))
        << "a new interface of the old name";
    close();
    ASSERT_TRUE(VethPair::sh("ip link del tv0"));
    open();
    EXPECT_TRUE(plane->attached().empty());
    EXPECT_FALSE(std::filesystem::exists(pin_dir + "/link_tv0"));
}

TEST_F(PinsTest, OtherTableSizeIsRefusedAndFreshBeginsAnew) {
    open(1U << 12);
    put(service(80, 1));
    close();
    const auto refused = try_open(1U << 13, false);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().errnum, dataplane::kIncompatiblePins);
    EXPECT_NE(refused.error().message.find("its flow table has 4096 slots, not 8192"),
              std::string::npos)
        << refused.error().message;
    open(1U << 12);
    EXPECT_EQ(plane->model().size(), 1U) << "a refusal touches nothing";
    close();
    open(1U << 13, true);
    EXPECT_TRUE(plane->model().empty());
    EXPECT_EQ(plane->table_use().slots, 1U << 13);
}

TEST_F(PinsTest, OtherLayoutIsRefused) {
    open();
    vipd_meta meta{};
    const std::uint32_t zero = 0;
    const int map = dataplane::map_fd(*plane, "vipd_meta");
    ASSERT_EQ(::bpf_map_lookup_elem(map, &zero, &meta), 0);
    EXPECT_EQ(meta.abi_version, std::uint32_t{VIPD_ABI_VERSION});
    EXPECT_NE(meta.seed[0], 0U);
    meta.abi_version = 999;
    ASSERT_EQ(::bpf_map_update_elem(map, &zero, &meta, BPF_ANY), 0);
    close();
    const auto refused = try_open(1U << 12, false);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().errnum, dataplane::kIncompatiblePins);
    EXPECT_NE(refused.error().message.find("its layout has version 999"), std::string::npos);
}

TEST_F(PinsTest, MapOfAnotherShapeIsRefusedByName) {
    open();
    close();
    const std::string path = pin_dir + "/vipd_verdicts";
    ASSERT_TRUE(std::filesystem::remove(path));
    const Fd other(::bpf_map_create(BPF_MAP_TYPE_ARRAY, "vipd_verdicts", 4, 16, 3, nullptr));
    ASSERT_EQ(::bpf_obj_pin(other.get(), path.c_str()), 0);
    const auto refused = try_open(1U << 12, false);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("map vipd_verdicts has another"), std::string::npos)
        << refused.error().message;
}

TEST_F(PinsTest, HalfMadePinsOfAnInterruptedStartAreClearedAway) {
    open();
    close();
    ASSERT_TRUE(std::filesystem::remove(pin_dir + "/vipd_meta"));
    open();
    EXPECT_TRUE(plane->model().empty());
}

TEST_F(PinsTest, EveryMapIsPinnedUnderAShortNameOfItsOwnAndReadableInBtf) {
    open();
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(pin_dir)) {
        const std::string name = entry.path().filename();
        names.insert(name);
        EXPECT_LE(name.size(), 15U) << name;
        EXPECT_TRUE(name.starts_with("vipd_")) << name;
        const Fd map(::bpf_obj_get(entry.path().c_str()));
        bpf_map_info info{};
        std::uint32_t length = sizeof info;
        ASSERT_EQ(::bpf_obj_get_info_by_fd(map.get(), &info, &length), 0);
        const bool typed = info.btf_value_type_id != 0;
        const bool untypable =
            info.type == BPF_MAP_TYPE_RINGBUF || info.type == BPF_MAP_TYPE_ARRAY_OF_MAPS;
        EXPECT_TRUE(typed || untypable) << name;
    }
    EXPECT_EQ(names,
              (std::set<std::string>{
                  "vipd_answers",  "vipd_changes",    "vipd_claims",     "vipd_cursors",
                  "vipd_flows",    "vipd_fragments",  "vipd_interfaces", "vipd_lease",
                  "vipd_loads",    "vipd_match",      "vipd_meta",       "vipd_nat_reals",
                  "vipd_notes",    "vipd_real_cfg",   "vipd_real_st",    "vipd_reals",
                  "vipd_rings",    "vipd_service_st", "vipd_services",   "vipd_stations",
                  "vipd_verdicts", "vipd_wanted"}));
}

TEST_F(PinsTest, NoBpfFileSystemIsOneSentenceThatSaysWhatToDo) {
    pin_dir = std::filesystem::temp_directory_path().string() + "/vipd-no-bpffs";
    const auto refused = try_open(1U << 12, false);
    ASSERT_FALSE(refused);
    EXPECT_NE(
        refused.error().message.find("is not a bpf file system: run mount -t bpf bpf /sys/fs/bpf"),
        std::string::npos)
        << refused.error().message;
    EXPECT_FALSE(std::filesystem::exists(pin_dir));
}

TEST_F(PinsTest, ChangeThatFailsLeavesEverythingAsItWas) {
    open();
    for (int n = 1; n <= 3; ++n) resolve(n);
    const model::Service web = service(80, 2);
    put(web);
    const int chosen = connect(2000);
    const auto before = plane->model();
    const auto refused = [&](const model::Service& wanted, model::Change::Kind kind) {
        const NoMoreDescriptors limit;
        return plane->apply({kind, wanted});
    };
    // No descriptor is left for the new ring: the reals are written by then.
    model::Service other = service(80, 3, Scheduler::RoundRobin);
    other.reals.erase(other.reals.begin() + chosen - 1);
    auto result = refused(other, model::Change::Kind::UpdateService);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("10.0.0.100:80/TCP"), std::string::npos);
    EXPECT_NE(result.error().message.find("vipd_ring"), std::string::npos)
        << result.error().message;
    EXPECT_EQ(plane->model(), before);
    EXPECT_EQ(real_for(packet(2000, kAck)), chosen);
    EXPECT_EQ(real_for(packet(2001, kSyn)), chosen) << "same client, same ring";

    result = refused(service(81, 1), model::Change::Kind::AddService);
    ASSERT_FALSE(result);
    EXPECT_EQ(plane->model(), before);
    PacketSpec to_new = packet(2002, kSyn);
    to_new.to_port = 81;
    EXPECT_EQ(run(to_new).verdict, "pass_no_service");
    close();
    open();
    EXPECT_EQ(plane->model(), before) << "nothing half-done is pinned";
    put(other);
    EXPECT_EQ(real_for(packet(2000, kAck)), chosen);
}

TEST_F(PinsTest, RefusesWhatItCannotForward) {
    open();
    const auto refusal = [&](const model::Service& wanted) {
        const auto result = plane->apply({model::Change::Kind::AddService, wanted});
        return result ? std::string() : result.error().message;
    };
    model::Service sctp = service(80, 1);
    sctp.key.protocol = Protocol::Sctp;
    EXPECT_NE(refusal(sctp).find("SCTP is not forwarded yet"), std::string::npos);
    model::Service mixed = service(80, 1);
    mixed.reals[0].endpoint.address = ip("2001:db8::1");
    EXPECT_NE(refusal(mixed).find("another address family"), std::string::npos);
    model::Service twice = service(80, 1);
    twice.reals.push_back(twice.reals[0]);
    EXPECT_NE(refusal(twice).find("stands there twice"), std::string::npos);
    EXPECT_TRUE(plane->model().empty());
}

}  // namespace vipd::testing

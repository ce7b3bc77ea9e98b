// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/api/api_fixture.hpp"
#include "tools/vipctl/render.hpp"
#include "userspace/api/json.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <sys/wait.h>

namespace vipd::vipctl {
namespace {

Json sample() {
    return Json::parse(api::to_text(api::to_json(api::sample_status())));
}

TEST(VipctlReload, PlanIsReadAtAGlance) {
    const auto plan = Json::parse(R"({
        "steps": [
            {"what": "add", "object": "virtual_server", "name": "192.0.2.1:81/TCP",
             "details": ["wlc, 2 real servers"], "moved_share": null},
            {"what": "change", "object": "virtual_server", "name": "192.0.2.1:80/TCP",
             "details": ["weight of 10.0.0.1:80: 1 -> 2"], "moved_share": 0.0312},
            {"what": "remove", "object": "virtual_server", "name": "192.0.2.1:82/TCP",
             "details": [], "moved_share": null}],
        "warnings": ["k.conf:3:1: warning: it is \u001b odd"],
        "open_connections": 1000, "running_out": 20, "cut_off": 3})");
    EXPECT_EQ(render_plan(plan), R"(k.conf:3:1: warning: it is \x1b odd
+ virtual_server 192.0.2.1:81/TCP
    wlc, 2 real servers
~ virtual_server 192.0.2.1:80/TCP
    weight of 10.0.0.1:80: 1 -> 2
    3.12 % of the new connections of real servers that stay go elsewhere
- virtual_server 192.0.2.1:82/TCP
Open connections: 1000; 20 run out on removed real servers; 3 are cut off with removed services
)");
    EXPECT_EQ(render_plan(Json::object()), "Nothing would change.\nOpen connections: 0\n");
}

TEST(VipctlStatus, SaysThatAReloadWaitsToBeConfirmed) {
    auto status = sample();
    const auto now =
        status["started"].get<std::uint64_t>() + status["uptime_ms"].get<std::uint64_t>() / 1000;
    status["config"]["last_reload"]["confirm_by"] = now + 57;
    EXPECT_NE(render_status(status, {}).find("ago, to be confirmed within 57s\n"),
              std::string::npos);
}

TEST(VipctlStatus, IsTheTableThatIpvsUsersKnow) {
    EXPECT_EQ(render_status(sample(), {}), R"(vipd 1.2.3 on lb1, up 3h05m
Configuration  /etc/keepalived/keepalived.conf, generation 2, reloaded 18m20s ago
Processes      core 100, vrrp 101, check waiting (3 restarts)
Flow table     124 of 1048576 slots (0.0 %)
Warning: eth1: generic XDP, which is slow

VRRP instances
Instance State    For     Prio Master    Interface VRID Addresses
VI_1     MASTER 1m05s 90 (100) this node eth0        51 10.0.0.1/24 10.0.0.2/24
VI_2     FAULT    0ms      200           eth9        52 interface eth9 is down; 10.9.0.1/32

Tracked scripts
Script    State Last run
chk_nginx down  exited with status 1

BFD sessions
BFD session State   For Neighbour Sent Heard Downs
leaf1       up    1m05s 10.0.0.12  100    99     2

Prot LocalAddress:Port Scheduler
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn State Conn/s Pkt/s Byte/s
TCP  10.0.0.1:80 wrr                                        up       1.5    12   6.2k
  -> 10.1.0.2:80        Route   3      120        4         up       1.5    12   6.2k
  -> 10.1.0.3:80        Tunnel  0 (1)  0          0         down       0     0      0 connection refused; next hop not resolved
  -> 10.1.0.3:80        Route   1      0          0         up         0     0      0 sorry server

Sync peer      State  Snapshot Sent Received  Lag
192.0.2.2:8849 synced done      130        7 12ms

Interface XDP
eth0      native  adopted from an earlier vipd
eth1      generic slow

Verdict Packets  Bytes
tx         1000 500000
)");
}

TEST(VipctlStatus, FitsTheScreen) {
    for (const std::size_t width : {20U, 40U, 60U, 80U, 100U, 200U}) {
        const auto text = render_status(sample(), {width, false});
        std::size_t begin = 0;
        for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
            const auto line = text.substr(begin, end - begin);
            // Warnings are sentences: they wrap rather than lose their end.
            if (!line.starts_with("Warning")) {
                EXPECT_LE(columns(line), width) << line;
            }
            begin = end + 1;
        }
    }
    const auto narrow = render_status(sample(), {80, false});
    EXPECT_EQ(narrow.find("Byte/s"), std::string::npos);
    EXPECT_NE(narrow.find("ActiveConn InActConn State Conn/s"), std::string::npos);
}

TEST(VipctlStatus, HasColorsOnlyWhereTheScreenHas) {
    EXPECT_EQ(render_status(sample(), {0, false}).find('\033'), std::string::npos);
    const auto colored = render_status(sample(), {0, true});
    EXPECT_NE(colored.find("\033[32mMASTER\033[0m"), std::string::npos);
    EXPECT_NE(colored.find("\033[1;31mFAULT\033[0m"), std::string::npos);
    EXPECT_NE(colored.find("\033[1;31mdown\033[0m"), std::string::npos);
    // Colours take no room: without them it is the very same page.
    std::string plain_text;
    for (std::size_t i = 0; i < colored.size(); ++i) {
        if (colored[i] == '\033')
            i = colored.find('m', i);
        else
            plain_text += colored[i];
    }
    EXPECT_EQ(plain_text, render_status(sample(), {}));
}

TEST(VipctlStatus, SaysWhatIsWrong) {
    auto status = sample();
    status["config"]["last_reload"]["ok"] = false;
    status["config"]["last_reload"]["reason"] = "missing '}'";
    status["services"][0]["quorum_up"] = false;
    status["lease"]["held"] = false;
    status["sync"]["peers"][0]["connected"] = false;
    status["sync"]["peers"][0]["last_error"] = "Connection refused";
    const auto text = render_status(status, {});
    EXPECT_NE(text.find("generation 2, RELOAD REFUSED 18m20s ago: missing '}'\n"),
              std::string::npos);
    EXPECT_NE(text.find(" no quorum "), std::string::npos);
    EXPECT_NE(text.find("Lease          run out: this node does not answer for its VIPs\n"),
              std::string::npos);
    EXPECT_NE(text.find("192.0.2.2:8849 disconnected"), std::string::npos);
    EXPECT_NE(text.find("Connection refused\n"), std::string::npos);
}

TEST(VipctlStatus, ShowsLvsSyncDaemon) {
    auto status = api::sample_status();
    status.sync.ipvs = api::sample_ipvs_sync();
    const auto shown = render_status(api::to_json(status), {});
    EXPECT_NE(shown.find("eth1      master      7    9      4\n"), std::string::npos) << shown;
    status.sync.ipvs->master = false;
    status.sync.ipvs->problem = "no interface eth1";
    const auto down = render_status(api::to_json(status), {});
    EXPECT_NE(down.find("eth1      down"), std::string::npos) << down;
    EXPECT_NE(down.find("no interface eth1\n"), std::string::npos) << down;
}

TEST(VipctlStatus, ShowsDrainsCheckpointAndTheGate) {
    auto status = api::sample_status();
    api::add_state(status);
    const auto json = Json::parse(api::to_text(api::to_json(status)));
    const auto text = render_status(json, {});
    for (const auto* line : {"done 43%",
                             "VRRP waits for the peers' connections, 1s at most\n",
                             "real 10.1.0.2:80 draining           3 ",
                             "node             drained            0 ",
                             "/var/lib/vipd/flows ",
                             " disk full\n"})
        EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
    bool left = false;
    EXPECT_NE(drain_line(json, "real 10.1.0.2:80", left).find("3 connections left, until "),
              std::string::npos);
    EXPECT_TRUE(left);
    EXPECT_EQ(drain_line(json, "node", left), "node: drained in 2s (0 connections left)\n");
    EXPECT_FALSE(left);
    EXPECT_EQ(drain_line(json, "real 10.1.0.9:80", left), "");
    const auto failovers = render_failovers(json, {});
    EXPECT_NE(failovers.find("VI_1       301.2ms     0.5ms    - the master was silent\n"),
              std::string::npos)
        << failovers;
}

TEST(VipctlStatus, TakesAnythingThatIsJson) {
    EXPECT_EQ(render_status(Json::object(), {}).substr(0, 5), "vipd ");
    const auto whole = sample();
    for (const auto& [name, value] : whole.items()) {
        for (const auto* other : {"null", "7", "\"x\"", "[]", "{}", "[7]", "[[]]", "[{}]"}) {
            auto status = whole;
            status[name] = Json::parse(other);
            EXPECT_NO_THROW(render_status(status, {80, true})) << name << " " << other;
        }
    }
    auto hostile = sample();
    hostile["services"][0]["reals"][1]["reason"] = "\033]0;owned\007";
    const auto text = render_status(hostile, {});
    EXPECT_EQ(text.find('\033'), std::string::npos);
    EXPECT_NE(text.find("\\x1b]0;owned\\x07"), std::string::npos);
}

TEST(VipctlText, DurationsAndRates) {
    EXPECT_EQ(duration_text(0), "0ms");
    EXPECT_EQ(duration_text(999), "999ms");
    EXPECT_EQ(duration_text(59999), "59s");
    EXPECT_EQ(duration_text(312000), "5m12s");
    EXPECT_EQ(duration_text(11100000), "3h05m");
    EXPECT_EQ(duration_text(273600000), "3d4h");
    for (const auto& [value, text] : {std::pair{0.0, "0"},
                                      {0.04, "0"},
                                      {0.5, "0.5"},
                                      {9.94, "9.9"},
                                      {9.96, "10"},
                                      {999.4, "999"},
                                      {999.6, "1.0k"},
                                      {1234.0, "1.2k"},
                                      {35000000.0, "35M"},
                                      {2.5e9, "2.5G"}})
        EXPECT_EQ(rate_text(value), text) << value;
}

TEST(VipctlTable, DropsSpareColumnsThenGivesTheLastItsOwnLine) {
    Table table({{"A"}, {"B", true, 1}, {"C", true, 2}, {"Note"}});
    table.add({{"x"}, {"100"}, {"2000"}, {"something long"}});
    table.add({{"yy"}});
    EXPECT_EQ(table.render({}),
              "A    B    C Note\n"
              "x  100 2000 something long\n"
              "yy\n");
    EXPECT_EQ(table.render({20, false}),
              "A    B    C Note\nx  100 2000\n      something long\nyy\n");
    EXPECT_EQ(table.render({16, false}), "A    B    C Note\nx  100 2000\n      somethi...\nyy\n");
    EXPECT_EQ(table.render({12, false}), "A    B Note\nx  100\n      som...\nyy\n");
    EXPECT_EQ(table.render({4, false}), "A  .\nx  .\nyy\n");
}

TEST(VipctlTable, CountsCharactersNotBytes) {
    EXPECT_EQ(columns("Müller"), 6U);
    EXPECT_EQ(cut("Müllerin", 6), "Mül...");
    EXPECT_EQ(cut("Müller", 6), "Müller");
    EXPECT_EQ(cut("abcdef", 2), "..");
    Table table({{"Node"}, {"X"}});
    table.add({{"Zürich"}, {"1"}});
    table.add({{"Bern"}, {"2"}});
    EXPECT_EQ(table.render({}), "Node   X\nZürich 1\nBern   2\n");
}

std::string listing() {
    auto synced = api::sample_flow(50000);
    synced.synced = true;
    return "{\"flows\":[\n" + api::flow_text(api::sample_flow()) + ",\n" + api::flow_text(synced) +
           "\n],\"returned\":2,\"matched\":5,\"total\":1234}\n";
}

constexpr auto kListed =
    "vipd connection entries\n"
    "pro   idle state       source                virtual               destination\n"
    "TCP  01:01 ESTABLISHED 192.0.2.77:40000      10.0.0.1:80           10.1.0.2:80\n"
    "TCP  01:01 ESTABLISHED 192.0.2.77:50000      10.0.0.1:80           10.1.0.2:80           "
    "synced\n";

TEST(VipctlFlows, AreListedAsIpvsadmListsThem) {
    FlowLines lines;
    EXPECT_EQ(lines.feed(listing()), kListed);
    EXPECT_TRUE(lines.complete());
    EXPECT_EQ(lines.finish(), "2 shown of 5 that match (1234 in all); --limit shows more\n");
}

TEST(VipctlFlows, ComeOutTheSameHoweverTheAnswerIsCut) {
    const auto text = listing();
    for (std::size_t size = 1; size < text.size(); size += 7) {
        FlowLines lines;
        std::string out;
        for (std::size_t at = 0; at < text.size(); at += size)
            out += lines.feed(std::string_view(text).substr(at, size));
        EXPECT_EQ(out, kListed) << size;
    }
}

TEST(VipctlFlows, SayWhenTheAnswerWasCutShort) {
    FlowLines lines;
    lines.feed(listing().substr(0, 100));
    EXPECT_FALSE(lines.complete());
    EXPECT_EQ(lines.finish(), "vipctl: the listing was cut short\n");
}

TEST(VipctlFlows, WordsBecomeAQuery) {
    EXPECT_EQ(flow_query({}, 1000), "limit=1000");
    EXPECT_EQ(flow_query({"client=10.0.0.5", "real=10.1.0.2:80", "state=ESTABLISHED"}, 7),
              "limit=7&client=10.0.0.5&real=10.1.0.2:80&state=ESTABLISHED");
    EXPECT_EQ(
        flow_query({"10.0.0.5", ":80", "10.0.0.0/8", "[::1]:80", "established", "Fin_Wait", "udp"},
                   1),
        "limit=1&any=10.0.0.5&any=:80&any=10.0.0.0/8&any=[::1]:80&state=established&"
        "state=Fin_Wait&protocol=udp");
    EXPECT_EQ(flow_query({"a&b=c d%"}, 1), "limit=1&a%26b=c%20d%25");
}

TEST(VipctlHandover, IsDoneWhenNoInstanceIsMasterAnyMore) {
    const auto before = sample();
    std::string report;
    EXPECT_FALSE(handed_over(before, before, "", report));
    EXPECT_EQ(report, "VI_1: MASTER -> MASTER\n");
    auto after = before;
    after["instances"][0]["state"] = "BACKUP";
    after["instances"][0]["master"] = "192.0.2.2";
    EXPECT_TRUE(handed_over(before, after, "VI_1", report));
    EXPECT_EQ(report, "VI_1: MASTER -> BACKUP, master is now 192.0.2.2\n");
    // Only the one that was asked for counts.
    EXPECT_TRUE(handed_over(before, before, "VI_2", report));
}

// The program itself, against a served API.

struct Ran {
    int status = -1;
    std::string out;  ///< stdout and stderr
};

Ran vipctl(const std::string& arguments) {
    Ran ran;
    FILE* pipe = ::popen((std::string(VIPCTL) + " " + arguments + " 2>&1").c_str(), "r");
    if (pipe == nullptr) return ran;
    char buffer[4096];
    for (std::size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
        ran.out.append(buffer, count);
    ran.status = WEXITSTATUS(::pclose(pipe));
    return ran;
}

TEST(Vipctl, ShowsWhatTheDaemonSays) {
    const api::TempFolder folder;
    const auto socket = folder.path("api.sock");
    api::RunningApi api(api::Options{socket, {}, {}});
    api.backend.flow_count = 2;

    const auto status = vipctl("--socket " + socket + " status");
    EXPECT_EQ(status.status, 0);
    EXPECT_EQ(status.out, render_status(sample(), {}));
    EXPECT_EQ(Json::parse(vipctl("--socket " + socket + " status --json").out), sample());

    const auto flows = vipctl("--socket " + socket + " flows client=:1 established");
    EXPECT_EQ(flows.status, 0);
    EXPECT_NE(flows.out.find("192.0.2.77:1 "), std::string::npos);
    EXPECT_TRUE(flows.out.ends_with("\n1 of 2 connections\n")) << flows.out;
    const auto wrong = vipctl("--socket " + socket + " flows clinet=10.0.0.1");
    EXPECT_EQ(wrong.status, 1);
    EXPECT_EQ(wrong.out, "vipctl: unknown filter 'clinet'; did you mean 'client'?\n");

    EXPECT_EQ(vipctl("--socket " + socket + " reload").out, "reloaded\n");
    EXPECT_NE(vipctl("--socket " + socket + " metrics").out.find("\nvipd_real_up{"),
              std::string::npos);
    EXPECT_EQ(vipctl("--socket " + socket + " version").out,
              "vipd " VIPD_VERSION ", vipctl " VIPD_VERSION "\n");
}

TEST(Vipctl, WaitsForTheHandoverAndSaysWhenItDoesNotCome) {
    const api::TempFolder folder;
    const auto socket = folder.path("api.sock");
    api::RunningApi api(api::Options{socket, {}, {}});
    // The fake core never leaves MASTER.
    const auto ran = vipctl("--socket " + socket + " handover VI_1 --hold 2.5 --wait 0.1");
    EXPECT_EQ(ran.status, 1);
    EXPECT_EQ(ran.out,
              "handing over VI_1\nVI_1: MASTER -> MASTER\nvipctl: not handed over within 0.1 s; is "
              "another node there to take over?\n");
    const auto none = vipctl("--socket " + socket + " handover VI_NONE");
    EXPECT_EQ(none.status, 1);
    EXPECT_EQ(none.out, "vipctl: no such VRRP instance: VI_NONE\n");
    // VI_2 was not MASTER: nothing to wait for.
    EXPECT_EQ(vipctl("--socket " + socket + " handover VI_2").status, 0);
    EXPECT_EQ(api.backend.handovers[0], std::pair(std::string("VI_1"), Millis(2500)));
}

TEST(Vipctl, SaysInOneSentenceWhyItCannot) {
    const api::TempFolder folder;
    const auto socket = folder.path("api.sock");
    const auto gone = vipctl("--socket " + socket + " status");
    EXPECT_EQ(gone.status, 2);
    EXPECT_EQ(gone.out,
              "vipctl: cannot reach vipd at " + socket +
                  ": No such file or directory; is vipd running?\n");
    const auto named = vipctl("--instance no-such-vipd status");
    EXPECT_EQ(named.status, 2);
    EXPECT_EQ(named.out,
              "vipctl: cannot reach vipd at /run/vipd/no-such-vipd/api.sock: No such file or "
              "directory; is vipd running?\n");
    for (const auto* wrong : {"",
                              "stauts",
                              "flows --limit x",
                              "handover --hold -1",
                              "--socket a --instance b status"}) {
        const auto ran = vipctl(wrong);
        EXPECT_EQ(ran.status, 2) << wrong;
        EXPECT_TRUE(ran.out.starts_with("vipctl: ")) << ran.out;
    }
    EXPECT_EQ(vipctl("--help").status, 0);
}

}  // namespace
}  // namespace vipd::vipctl

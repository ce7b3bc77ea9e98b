// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/api/api_fixture.hpp"
#include "userspace/api/json.hpp"

#include <signal.h>

#include <arpa/inet.h>
#include <fstream>
#include <netinet/in.h>
#include <sys/stat.h>

namespace vipd::api {
namespace {

using std::chrono::steady_clock;

class ApiServer : public ::testing::Test {
  protected:
    RunningApi& start(const Limits& limits = {}, std::optional<Endpoint> listen = {}) {
        api_.emplace(Options{socket_, listen, limits});
        EXPECT_TRUE(api_->start_result) << api_->start_result.error().message;
        return *api_;
    }
    void TearDown() override {
        if (!api_) return;
        api_->stop();
        EXPECT_FALSE(api_->backend.wrong_thread) << "the core was called from a worker";
    }

    TempFolder folder_;
    std::string socket_ = folder_.path("run/vipd/api.sock");
    std::optional<RunningApi> api_;
};

std::string error_of(const Response& response) {
    const auto json = Json::parse(response.body, nullptr, false);
    return json.is_object() && json.contains("error") ? json["error"].get<std::string>() : "";
}

TEST_F(ApiServer, AnswersStatus) {
    start();
    const auto response = get(socket_, "/v1/status");
    EXPECT_EQ(response.status, 200);
    EXPECT_NE(response.head.find("Content-Type: application/json\r\n"), std::string::npos);
    EXPECT_EQ(Json::parse(response.body), to_json(sample_status()));
}

TEST_F(ApiServer, AnswersMetricsAndVersion) {
    start();
    const auto metrics = get(socket_, "/metrics");
    EXPECT_EQ(metrics.status, 200);
    EXPECT_NE(metrics.head.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
              std::string::npos);
    EXPECT_NE(metrics.body.find("\nvipd_service_packets_total{service=\"10.0.0.1:80/TCP\"} 1000\n"),
              std::string::npos);
    EXPECT_NE(metrics.body.find("\nvipd_api_answers_total{code=\"2xx\"} "), std::string::npos);
    EXPECT_EQ(Json::parse(get(socket_, "/v1/version").body)["version"], VIPD_VERSION);
}

TEST_F(ApiServer, ListsFlowsUpToTheDefaultLimitAndCountsAll) {
    start().backend.flow_count = 1500;
    const auto response = get(socket_, "/v1/flows");
    ASSERT_EQ(response.status, 200);
    const auto json = Json::parse(response.body);
    ASSERT_EQ(json["flows"].size(), 1000U);
    EXPECT_EQ(json["flows"][7], Json::parse(flow_text(sample_flow(7))));
    EXPECT_EQ(json["returned"], 1000);
    EXPECT_EQ(json["matched"], 1500);
    EXPECT_EQ(json["total"], 1500);
}

TEST_F(ApiServer, FiltersFlows) {
    start().backend.flow_count = 100;
    const auto json = Json::parse(get(socket_, "/v1/flows?client=:42&state=ESTABLISHED").body);
    ASSERT_EQ(json["flows"].size(), 1U);
    EXPECT_EQ(json["flows"][0]["client"], "192.0.2.77:42");
    EXPECT_EQ(json["matched"], 1);
    EXPECT_EQ(json["total"], 100);
    EXPECT_EQ(Json::parse(get(socket_, "/v1/flows?any=10.9.9.9").body)["flows"], Json::array());

    const auto wrong = get(socket_, "/v1/flows?clinet=10.0.0.1");
    EXPECT_EQ(wrong.status, 400);
    EXPECT_EQ(error_of(wrong), "unknown filter 'clinet'; did you mean 'client'?");
}

TEST_F(ApiServer, StreamsLongListsWholeOneFlowALine) {
    start().backend.flow_count = 50000;
    const auto response = get(socket_, "/v1/flows?limit=50000");
    ASSERT_EQ(response.status, 200);
    ASSERT_NE(response.head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    std::string body;
    for (std::size_t at = 0; at < response.body.size();) {
        const auto size = std::stoul(response.body.substr(at, 16), nullptr, 16);
        at = response.body.find("\r\n", at) + 2;
        body += response.body.substr(at, size);
        at += size + 2;
    }
    std::string expected = "{\"flows\":[\n";
    for (std::uint32_t port = 0; port < 50000; ++port)
        expected += flow_text(sample_flow(static_cast<std::uint16_t>(port))) +
                    (port < 49999 ? ",\n" : "\n");
    expected += "],\"returned\":50000,\"matched\":50000,\"total\":50000}\n";
    EXPECT_TRUE(body == expected) << body.substr(0, 300);
    // The core scans in parts, and does what else waits in between.
    EXPECT_EQ(api_->backend.scan_calls, 4);
}

TEST_F(ApiServer, AClientThatLeavesMidwayDoesNoHarm) {
    start().backend.flow_count = 60000;
    {
        const Fd fd = connect_to(socket_);
        send_all(fd.get(), "GET /v1/flows?limit=60000 HTTP/1.1\r\n\r\n");
        char byte = 0;
        ASSERT_EQ(::recv(fd.get(), &byte, 1, 0), 1);
    }
    EXPECT_EQ(get(socket_, "/v1/status").status, 200);
}

TEST_F(ApiServer, RefusesWhatIsNotThere) {
    start();
    const auto unknown = get(socket_, "/v2/status");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(error_of(unknown), "no such path; see /v1/status or /metrics");

    const auto posted = post(socket_, "/v1/status");
    EXPECT_EQ(posted.status, 405);
    EXPECT_NE(posted.head.find("Allow: GET, HEAD\r\n"), std::string::npos);
    EXPECT_EQ(error_of(posted), "use GET");
    const auto got = get(socket_, "/v1/reload");
    EXPECT_EQ(got.status, 405);
    EXPECT_NE(got.head.find("Allow: POST\r\n"), std::string::npos);
    EXPECT_EQ(roundtrip(socket_, "DELETE /v1/status HTTP/1.1\r\nHost: x\r\n\r\n").status, 405);
    EXPECT_EQ(roundtrip(socket_, "rubbish\r\n\r\n").status, 400);
    EXPECT_EQ(api_->backend.reload_calls, 0);
}

TEST_F(ApiServer, RefusesWhatIsTooLarge) {
    start();
    const auto body = post(socket_, "/v1/handover", std::string(5000, 'x'));
    EXPECT_EQ(body.status, 413);
    EXPECT_EQ(error_of(body), "body too large");
    EXPECT_EQ(
        roundtrip(socket_,
                  "POST /v1/handover HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n")
            .status,
        400);
    EXPECT_EQ(get(socket_, "/v1/flows?any=" + std::string(4000, '1')).status, 414);

    // A body without an announced length, and a head without an end: both end with the budget.
    std::string chunks = "POST /v1/handover HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 1000; ++i) chunks += "400\r\n" + std::string(0x400, 'x') + "\r\n";
    EXPECT_NE(roundtrip(socket_, chunks).status, 200);
    EXPECT_NE(roundtrip(socket_, "GET /v1/status HTTP/1.1\r\n" + std::string(1 << 20, 'a')).status,
              200);
    std::string ranges = "GET /v1/status HTTP/1.1\r\nRange: bytes=0-1";
    while (ranges.size() < 8000) ranges += ",0-1";
    EXPECT_NE(roundtrip(socket_, ranges + "\r\n\r\n").status, 0);
    EXPECT_TRUE(api_->backend.handovers.empty());
    EXPECT_EQ(get(socket_, "/v1/status").status, 200);
}

TEST_F(ApiServer, TakesNoMoreBytesThanARequestMayHave) {
    Limits limits;
    limits.request_time = Seconds(60);
    start(limits);
    const std::string endless(std::size_t{16} << 20, 'a');
    const Fd fd = connect_to(socket_);
    EXPECT_FALSE(send_all(fd.get(), "GET /v1/status HTTP/1.1\r\nX: " + endless));
}

TEST_F(ApiServer, EndsClientsThatAreSlow) {
    Limits limits;
    limits.workers = 1;
    limits.request_time = Millis(100);
    start(limits);
    // One byte, then silence; and the only worker is free again after that.
    const Fd slow = connect_to(socket_);
    send_all(slow.get(), "G");
    EXPECT_EQ(get(socket_, "/v1/status").status, 200);
    EXPECT_EQ(receive_all(slow.get()), "");
}

TEST_F(ApiServer, EndsClientsThatDoNotRead) {
    Limits limits;
    limits.workers = 1;
    limits.stall_time = Millis(100);
    start(limits).backend.flow_count = 60000;
    const Fd deaf = connect_to(socket_);
    send_all(deaf.get(), "GET /v1/flows?limit=60000 HTTP/1.1\r\n\r\n");
    EXPECT_EQ(get(socket_, "/v1/status").status, 200);
}

TEST_F(ApiServer, ServesManyClientsAndAsksTheCoreSeldom) {
    auto& api = start();
    std::atomic<int> good = 0;
    std::vector<std::jthread> clients;
    const auto begin = steady_clock::now();
    for (int i = 0; i < 32; ++i)
        clients.emplace_back([&] {
            for (int k = 0; k < 10; ++k)
                if (get(socket_, k % 2 == 0 ? "/v1/status" : "/metrics").status == 200) ++good;
        });
    clients.clear();
    const auto windows = (steady_clock::now() - begin) / Millis(50) + 1;
    EXPECT_EQ(good, 320);
    EXPECT_LE(api.backend.status_calls, windows);
}

TEST_F(ApiServer, SaysBusyWhenTheCoreDoesNotAnswer) {
    Limits limits;
    limits.call_time = Millis(100);
    limits.command_time = Millis(100);
    auto& api = start(limits);
    api.block();
    const auto status = get(socket_, "/v1/status");
    EXPECT_EQ(status.status, 503);
    EXPECT_EQ(error_of(status), "the daemon is busy; try again");
    EXPECT_NE(status.head.find("Retry-After: 1\r\n"), std::string::npos);
    EXPECT_EQ(post(socket_, "/v1/reload").status, 503);
    // What does not need the core's loop is there all the same.
    EXPECT_EQ(get(socket_, "/v1/version").status, 200);
    EXPECT_EQ(get(socket_, "/v1/flows").status, 503);
    api.release();
    EXPECT_EQ(get(socket_, "/v1/status").status, 200);
    EXPECT_EQ(api.backend.reload_calls, 0) << "an abandoned command was run";
}

TEST_F(ApiServer, Reloads) {
    auto& api = start();
    const auto good = post(socket_, "/v1/reload");
    EXPECT_EQ(good.status, 200);
    EXPECT_EQ(api.backend.reload_calls, 1);
    // `curl -X POST` says no Content-Length; the answer must not wait for one.
    EXPECT_EQ(roundtrip(socket_, "POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    api.backend.reload_error = "keepalived.conf:3:1: missing '}'";
    const auto refused = post(socket_, "/v1/reload");
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(error_of(refused), "keepalived.conf:3:1: missing '}'");
}

TEST_F(ApiServer, ReloadsOnProbation) {
    auto& api = start();
    EXPECT_EQ(post(socket_, "/v1/reload", R"({"confirm": true})").status, 409);
    const auto reloaded = post(socket_, "/v1/reload", R"({"confirm_within_s": 60})");
    EXPECT_EQ(reloaded.status, 200);
    EXPECT_EQ(api.backend.reload_confirm, Seconds(60));
    EXPECT_EQ(Json::parse(reloaded.body)["message"], "reloaded, to be confirmed");
    EXPECT_EQ(post(socket_, "/v1/reload", R"({"confirm": true})").status, 200);
    EXPECT_EQ(api.backend.reload_calls, 1);
    for (const auto* bad : {"[]",
                            "x",
                            R"({"confirm_within_s": 0})",
                            R"({"confirm_within_s": 86401})",
                            R"({"confirm_within_s": "60"})",
                            R"({"dry_run": 1})",
                            R"({"dry_run": true, "confirm": true})",
                            R"({"other": true})"})
        EXPECT_EQ(post(socket_, "/v1/reload", bad).status, 400) << bad;
    EXPECT_EQ(api.backend.reload_calls, 1);
}

TEST_F(ApiServer, TellsWhatAReloadWouldChange) {
    auto& api = start();
    const auto plan = post(socket_, "/v1/reload", R"({"dry_run": true})");
    EXPECT_EQ(plan.status, 200);
    EXPECT_EQ(Json::parse(plan.body), Json::parse(R"({
        "steps": [{"what": "change", "object": "virtual_server", "name": "192.0.2.1:80/TCP",
                   "details": ["weight of 10.0.0.1:80: 1 -> 2"], "moved_share": 0.25}],
        "warnings": [], "open_connections": 7, "running_out": 0, "cut_off": 0})"));
    EXPECT_EQ(api.backend.reload_calls, 0);
    api.backend.reload_error = "keepalived.conf:3:1: missing '}'";
    EXPECT_EQ(post(socket_, "/v1/reload", R"({"dry_run": true})").status, 409);
}

TEST_F(ApiServer, Drains) {
    auto& api = start();
    for (const auto* good :
         {R"({"real": "10.1.0.2:80"})",
          R"({"real": "[2001:db8::2]:80", "service": "[2001:db8::1]:53/UDP", "limit_ms": 5000})",
          R"({"service": "10.0.0.1:80"})",
          R"({"node": true})"})
        EXPECT_EQ(post(socket_, "/v1/drain", good).status, 200) << good;
    const auto ip = [](const char* text) { return *IpAddress::parse(text); };
    using Target = control::DrainTarget;
    const std::vector<std::pair<Target, Millis>> expected = {
        {Target{std::nullopt, Endpoint{ip("10.1.0.2"), 80}}, Millis(300'000)},
        {Target{ServiceKey{{ip("2001:db8::1"), 53}, Protocol::Udp},
                Endpoint{ip("2001:db8::2"), 80}},
         Millis(5000)},
        {Target{ServiceKey{{ip("10.0.0.1"), 80}, Protocol::Tcp}, std::nullopt}, Millis(300'000)},
        {Target{}, Millis(300'000)}};
    EXPECT_EQ(api.backend.drained, expected);
    for (const auto* bad : {"",
                            "{}",
                            "[]",
                            R"({"node": false})",
                            R"({"real": "10.1.0.2"})",
                            R"({"real": "10.1.0.0/24:80"})",
                            R"({"real": 7})",
                            R"({"service": "10.0.0.1:80/ICMP"})",
                            R"({"node": true, "real": "10.1.0.2:80"})",
                            R"({"real": "10.1.0.2:80", "limit_ms": 86400001})"})
        EXPECT_EQ(post(socket_, "/v1/drain", bad).status, 400) << bad;
    const auto refused = post(socket_, "/v1/undrain", R"({"node": true})");
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(error_of(refused), "node is not being drained");
}

TEST_F(ApiServer, PassesOnWhyThereIsNoUpgrade) {
    start();
    const auto refused = post(socket_, "/v1/upgrade");
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(error_of(refused), "vipd is starting or stopping");
}

TEST_F(ApiServer, HandsOver) {
    auto& api = start();
    const auto good = post(socket_, "/v1/handover", R"({"instance": "VI_1", "hold_ms": 5000})");
    EXPECT_EQ(good.status, 200);
    EXPECT_EQ(Json::parse(good.body)["message"], "handing over VI_1");
    EXPECT_EQ(post(socket_, "/v1/handover").status, 200);
    const auto unknown = post(socket_, "/v1/handover", R"({"instance": "VI_NONE"})");
    EXPECT_EQ(unknown.status, 409);
    EXPECT_EQ(error_of(unknown), "no such VRRP instance: VI_NONE");
    for (const auto* bad : {"{",
                            "[]",
                            "7",
                            R"({"instance": 7})",
                            R"({"hold_ms": -1})",
                            R"({"hold_ms": 86400001})",
                            R"({"hold": 1})"})
        EXPECT_EQ(post(socket_, "/v1/handover", bad).status, 400) << bad;
    const std::vector<std::pair<std::string, Millis>> expected = {
        {"VI_1", Millis(5000)}, {"", Millis(60000)}, {"VI_NONE", Millis(60000)}};
    EXPECT_EQ(api.backend.handovers, expected);
}

TEST_F(ApiServer, AStatusAfterACommandIsNew) {
    auto& api = start();
    get(socket_, "/v1/status");
    const int before = api.backend.status_calls;
    post(socket_, "/v1/reload");
    get(socket_, "/v1/status");
    EXPECT_EQ(api.backend.status_calls, before + 1);
}

TEST_F(ApiServer, AStatusIsNotOldForLong) {
    auto& api = start();
    get(socket_, "/v1/status");
    const int before = api.backend.status_calls;
    const auto limit = steady_clock::now() + Seconds(10);
    while (api.backend.status_calls == before && steady_clock::now() < limit)
        get(socket_, "/v1/status");
    EXPECT_GT(api.backend.status_calls, before);
}

TEST_F(ApiServer, EndsAtOnceWithClientsInEveryState) {
    Limits limits;
    limits.call_time = Millis(60000);
    auto& api = start(limits);
    const Fd silent = connect_to(socket_);
    const Fd half = connect_to(socket_);
    send_all(half.get(), "GET /v1/sta");
    api.block();
    const Fd waiting = connect_to(socket_);
    send_all(waiting.get(), "GET /v1/status HTTP/1.1\r\n\r\n");
    const auto begin = steady_clock::now();
    api.stop();
    EXPECT_LT(steady_clock::now() - begin, Seconds(3));
    EXPECT_EQ(receive_all(silent.get()), "");
    EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(ApiServer, LeavesSigpipeAlone) {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    ::sigaction(SIGPIPE, &action, nullptr);
    start();
    ::sigaction(SIGPIPE, nullptr, &action);
    EXPECT_EQ(action.sa_handler, SIG_DFL);
}

TEST_F(ApiServer, TheSocketIsForRootAndItsGroup) {
    start();
    struct stat info{};
    ASSERT_EQ(::stat(socket_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0660U);
    ASSERT_EQ(::stat(folder_.path("run/vipd").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0755U);
}

TEST_F(ApiServer, ReplacesASocketThatADeadProcessLeft) {
    std::filesystem::create_directories(folder_.path("run/vipd"));
    {
        const Fd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, socket_.c_str(), sizeof address.sun_path - 1);
        ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    ASSERT_TRUE(std::filesystem::exists(socket_));
    start();
    EXPECT_EQ(get(socket_, "/v1/status").status, 200);
}

TEST_F(ApiServer, DoesNotTakeASocketFromALivingProcess) {
    start();
    const RunningApi second(Options{socket_, {}, {}});
    ASSERT_FALSE(second.start_result);
    EXPECT_EQ(second.start_result.error().message,
              "API socket " + socket_ + ": another process listens there already");
    EXPECT_EQ(get(socket_, "/v1/status").status, 200);
}

TEST_F(ApiServer, DoesNotRemoveOtherPeoplesFiles) {
    std::filesystem::create_directories(folder_.path("run/vipd"));
    std::ofstream(socket_) << "precious";
    {
        const RunningApi refused(Options{socket_, {}, {}});
        ASSERT_FALSE(refused.start_result);
        EXPECT_EQ(refused.start_result.error().message,
                  "API socket " + socket_ + ": a file that is not a socket is in the way");
    }
    ASSERT_TRUE(std::filesystem::is_regular_file(socket_));

    // Put in the place of the socket while it ran.
    std::filesystem::remove(socket_);
    start();
    std::filesystem::remove(socket_);
    std::ofstream(socket_) << "precious";
    api_->stop();
    EXPECT_TRUE(std::filesystem::is_regular_file(socket_));
}

TEST_F(ApiServer, TcpOnlyReads) {
    auto& api = start({}, Endpoint{IpAddress::parse("127.0.0.1").value(), 0});
    ASSERT_NE(api.port, 0);
    const auto tcp = [&](const std::string& request) {
        const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(api.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            return Response{};
        send_all(fd.get(), request + " HTTP/1.1\r\nHost: x\r\n\r\n");
        return parse_response(receive_all(fd.get()));
    };
    EXPECT_EQ(tcp("GET /metrics").status, 200);
    EXPECT_EQ(tcp("GET /v1/status").status, 200);
    EXPECT_EQ(tcp("GET /v1/flows").status, 200);
    const auto refused = tcp("POST /v1/reload");
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(error_of(refused), "commands are only taken on the unix socket");
    EXPECT_EQ(tcp("POST /v1/handover").status, 403);
    EXPECT_EQ(api.backend.reload_calls, 0);
}

TEST_F(ApiServer, ATcpAddressThatCannotBeHadLeavesNothing) {
    const RunningApi refused(
        Options{socket_, Endpoint{IpAddress::parse("203.0.113.1").value(), 9}, {}});
    ASSERT_FALSE(refused.start_result);
    EXPECT_EQ(refused.start_result.error().message,
              "API address 203.0.113.1:9: Cannot assign requested address");
    EXPECT_FALSE(std::filesystem::exists(socket_));
}

}  // namespace
}  // namespace vipd::api

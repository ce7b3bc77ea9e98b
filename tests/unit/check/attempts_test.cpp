// SPDX-License-Identifier: Apache-2.0
// TCP and HTTP attempts against servers on 127.0.0.1, good ones and hostile ones.
#include "tests/unit/check/server.hpp"
#include "userspace/check/http_client.hpp"
#include "userspace/check/tcp_attempt.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <optional>

namespace vipd::check {
namespace {

using namespace std::chrono_literals;
using test::Server;
using Verdict = Outcome::Verdict;

// MD5 of "abc", from RFC 1321.
constexpr const char* kAbc = "900150983cd24fb0d6963f7d28e17f72";

class AttemptTest : public testing::Test {
  protected:
    // Runs the loop until the attempt is done.
    template <class Start>
    Outcome run(Start start) {
        std::optional<Outcome> outcome;
        auto attempt = start([&](Outcome o) {
            EXPECT_FALSE(outcome);
            outcome = std::move(o);
            loop_.exit(0);
        });
        EXPECT_FALSE(outcome) << "told before the caller had the attempt";
        auto guard = loop_.at(loop_.now() + 20s, [&](TimePoint) { loop_.exit(1); });
        EXPECT_EQ(loop_.run().value(), 0) << "the attempt did not end";
        // The loop has ended for good; the next run needs another one.
        attempt.reset();
        return outcome.value_or(Outcome::not_run("never"));
    }
    Outcome tcp(const Endpoint& target, Nanos timeout = 5s, IpAddress from = {}) {
        return run([&](auto done) {
            return start_tcp(
                loop_, {.target = target, .source = {.address = from}, .timeout = timeout}, done);
        });
    }
    Outcome http(HttpClient::Request request, HttpClient::Limits limits = {}) {
        client_ = HttpClient::create(loop_, limits).value();
        return run([&](auto done) { return client_->start(request, done); });
    }
    Outcome get(const Server& server, HttpUrl url = {}, Nanos timeout = 5s) {
        return http({.target = server.endpoint(),
                     .source = {},
                     .version = HttpVersion::V1_0,
                     .url = std::move(url),
                     .timeout = timeout});
    }

    EventLoop loop_ = EventLoop::create().value();
    std::unique_ptr<HttpClient> client_;
};

TEST_F(AttemptTest, TcpPassesWhereSomebodyListens) {
    Server server([](int, const std::string&) {});
    EXPECT_EQ(tcp(server.endpoint()).verdict, Verdict::Passed);
}

TEST_F(AttemptTest, TcpSaysWhyItFailed) {
    const auto outcome = tcp(test::closed_port());
    EXPECT_EQ(outcome.verdict, Verdict::Failed);
    EXPECT_EQ(outcome.detail, "connection refused");
}

TEST_F(AttemptTest, TcpTimesOut) {
    // A full backlog: the kernel drops further SYNs.
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(::listen(listener, 0), 0);
    ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
    std::vector<int> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        (void)::connect(clients.back(), reinterpret_cast<sockaddr*>(&address), length);
    }
    const auto outcome = tcp({IpAddress::v4(INADDR_LOOPBACK), ntohs(address.sin_port)}, 100ms);
    EXPECT_EQ(outcome.verdict, Verdict::Failed);
    EXPECT_EQ(outcome.detail, "connection timed out");
    for (const int fd : clients) ::close(fd);
    ::close(listener);
}

TEST_F(AttemptTest, BindsToTheAddressAskedFor) {
    Server server(Server::says("HTTP/1.0 200 OK\r\n\r\n"));
    const auto from = IpAddress::parse("127.0.0.7").value();
    EXPECT_EQ(http({.target = server.endpoint(),
                    .source = {.address = from},
                    .version = HttpVersion::V1_0,
                    .url = {},
                    .timeout = 5s})
                  .verdict,
              Verdict::Passed);
    EXPECT_EQ(server.last_peer(), "127.0.0.7");
}

TEST_F(AttemptTest, AnAddressThatIsNotOursIsNoJudgementOfTheServer) {
    Server server(Server::says("HTTP/1.0 200 OK\r\n\r\n"));
    const auto outcome = tcp(server.endpoint(), 5s, IpAddress::parse("192.0.2.1").value());
    EXPECT_EQ(outcome.verdict, Verdict::NotRun);
}

TEST_F(AttemptTest, AnHttpBindThatFailsIsNoJudgementEither) {
    Server server(Server::says("HTTP/1.0 200 OK\r\n\r\n"));
    EXPECT_EQ(http({.target = server.endpoint(),
                    .source = {.address = IpAddress::parse("192.0.2.1").value()},
                    .version = HttpVersion::V1_0,
                    .url = {},
                    .timeout = 5s})
                  .verdict,
              Verdict::NotRun);
}

TEST_F(AttemptTest, AGivenUpAttemptSaysNothing) {
    auto attempt = start_tcp(loop_, {.target = test::closed_port(), .timeout = 1s}, [](Outcome) {
        FAIL() << "told after its end";
    });
    attempt.reset();
    auto client = HttpClient::create(loop_, {}).value();
    auto other = client->start({.target = test::closed_port(),
                                .source = {},
                                .version = HttpVersion::V1_0,
                                .url = {},
                                .timeout = 1s},
                               [](Outcome) { FAIL() << "told after its end"; });
    other.reset();
    auto end = loop_.at(loop_.now() + 50ms, [&](TimePoint) { loop_.exit(0); });
    EXPECT_EQ(loop_.run().value(), 0);
}

TEST_F(AttemptTest, SendsKeepalivedsRequest) {
    Server server(Server::says("HTTP/1.0 200 OK\r\n\r\nabc"));
    EXPECT_EQ(get(server, {.path = "/a/../b?x=1"}).verdict, Verdict::Passed);
    EXPECT_EQ(server.last_request(),
              "GET /a/../b?x=1 HTTP/1.0\r\nHost: " + server.endpoint().to_string() +
                  "\r\nUser-Agent: KeepAliveClient\r\n\r\n");
}

TEST_F(AttemptTest, NamesTheVirtualHostAndTheVersion) {
    Server server(Server::says("HTTP/1.1 200 OK\r\n\r\nabc"));
    EXPECT_EQ(http({.target = server.endpoint(),
                    .source = {},
                    .version = HttpVersion::V1_1,
                    .url = {.virtualhost = "www.example.org"},
                    .timeout = 5s})
                  .verdict,
              Verdict::Passed);
    const auto request = server.last_request();
    EXPECT_EQ(request.substr(0, 16), "GET / HTTP/1.1\r\n");
    EXPECT_NE(request.find("\r\nHost: www.example.org\r\n"), std::string::npos);
    EXPECT_NE(request.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST_F(AttemptTest, Http10CAsksToClose) {
    Server server(Server::says("HTTP/1.0 200 OK\r\n\r\n"));
    EXPECT_EQ(http({.target = server.endpoint(),
                    .source = {},
                    .version = HttpVersion::V1_0C,
                    .url = {},
                    .timeout = 5s})
                  .verdict,
              Verdict::Passed);
    EXPECT_EQ(server.last_request().substr(0, 16), "GET / HTTP/1.0\r\n");
    EXPECT_NE(server.last_request().find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST_F(AttemptTest, TheStatusDecides) {
    Server server(Server::says("HTTP/1.0 503 Busy\r\n\r\n"));
    const auto outcome = get(server);
    EXPECT_EQ(outcome.verdict, Verdict::Failed);
    EXPECT_EQ(outcome.detail, "HTTP status 503");
}

TEST_F(AttemptTest, AnExpectedStatusPasses) {
    Server server(Server::says("HTTP/1.0 503 Busy\r\n\r\n"));
    EXPECT_EQ(get(server, {.status_codes = {{500, 505}}}).verdict, Verdict::Passed);
}

TEST_F(AttemptTest, ARightDigestPasses) {
    Server server(Server::says("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc"));
    EXPECT_EQ(get(server, {.digest = kAbc}).verdict, Verdict::Passed);
}

TEST_F(AttemptTest, AWrongDigestFails) {
    Server server(Server::says("HTTP/1.0 200 OK\r\n\r\nabd"));
    const auto outcome = get(server, {.digest = kAbc});
    EXPECT_EQ(outcome.verdict, Verdict::Failed);
    EXPECT_EQ(outcome.detail, "MD5 digest is 4911e516e5aa21d327512e0c8b197616");
}

TEST_F(AttemptTest, ARedirectIsAnAnswerNotAnInstruction) {
    Server other(Server::says("HTTP/1.0 200 OK\r\n\r\n"));
    Server server(Server::says("HTTP/1.0 302 Found\r\nLocation: http://" +
                               other.endpoint().to_string() + "/\r\n\r\n"));
    EXPECT_EQ(get(server).detail, "HTTP status 302");
    EXPECT_EQ(other.last_request(), "");
}

TEST_F(AttemptTest, AnAnswerThatEndsEarlyIsJudgedByWhatCame) {
    Server server(Server::says("HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nabc"));
    EXPECT_EQ(get(server, {.digest = kAbc}).verdict, Verdict::Passed);
}

TEST_F(AttemptTest, ARefusedHttpConnectionFails) {
    const auto outcome = http({.target = test::closed_port(),
                               .source = {},
                               .version = HttpVersion::V1_0,
                               .url = {},
                               .timeout = 5s});
    EXPECT_EQ(outcome.verdict, Verdict::Failed);
    EXPECT_EQ(outcome.detail, "connection refused");
}

TEST_F(AttemptTest, GarbageFails) {
    Server server(Server::says(std::string("\x00\xff\x13 nonsense\r\n\r\n", 15)));
    EXPECT_EQ(get(server).verdict, Verdict::Failed);
}

TEST_F(AttemptTest, AServerThatClosesWithoutAWordFails) {
    Server server([](int, const std::string&) {});
    EXPECT_EQ(get(server).verdict, Verdict::Failed);
}

TEST_F(AttemptTest, AHeaderThatNeverEndsTimesOut) {
    Server server([](int fd, const std::string&) {
        Server::send(fd, "HTTP/1.0 200 OK\r\nX-Slow: ");
        Server::hold(fd);
    });
    const auto outcome = get(server, {}, 100ms);
    EXPECT_EQ(outcome.verdict, Verdict::Failed);
    EXPECT_EQ(outcome.detail, "HTTP answer timed out");
}

TEST_F(AttemptTest, ABodyThatStopsTimesOut) {
    Server server([](int fd, const std::string&) {
        Server::send(fd, "HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        Server::hold(fd);
    });
    EXPECT_EQ(get(server, {}, 100ms).detail, "HTTP answer timed out");
}

TEST_F(AttemptTest, AnEndlessBodyIsCutAtTheLimit) {
    std::atomic<std::size_t> sent = 0;
    Server server([&](int fd, const std::string&) {
        Server::send(fd, "HTTP/1.0 200 OK\r\n\r\n");
        const std::string block(64 * 1024, 'x');
        while (Server::send(fd, block)) sent += block.size();
    });
    const auto outcome = http({.target = server.endpoint(),
                               .source = {},
                               .version = HttpVersion::V1_0,
                               .url = {},
                               .timeout = 5s},
                              {.body_bytes = 1'000'000});
    EXPECT_EQ(outcome.verdict, Verdict::Failed);
    EXPECT_EQ(outcome.detail, "HTTP body is longer than 1000000 bytes");
}

TEST_F(AttemptTest, AnEndlessHeaderIsCutAtTheLimit) {
    Server server([&](int fd, const std::string&) {
        Server::send(fd, "HTTP/1.0 200 OK\r\n");
        while (Server::send(fd, "X-Filler: " + std::string(500, 'x') + "\r\n")) {
        }
    });
    const auto outcome = get(server);
    EXPECT_EQ(outcome.verdict, Verdict::Failed);
    EXPECT_EQ(outcome.detail, "HTTP header is too long");
}

TEST_F(AttemptTest, AnAnswerInDripsEndsWithTheTotalTime) {
    Server server([&](int fd, const std::string&) {
        Server::send(fd, "HTTP/1.0 200 OK\r\n\r\n");
        pollfd closed{fd, POLLIN, 0};  // a byte each 20 ms until the client hangs up
        while (::poll(&closed, 1, 20) == 0 && Server::send(fd, "x")) {
        }
    });
    const auto outcome = http({.target = server.endpoint(),
                               .source = {},
                               .version = HttpVersion::V1_0,
                               .url = {},
                               .timeout = 100ms},
                              {.total = 100ms});
    EXPECT_EQ(outcome.verdict, Verdict::Failed);  // after ten timeouts
}

TEST_F(AttemptTest, ChunksAreHashedAsTheyCome) {
    Server server(Server::says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nabc"));
    EXPECT_EQ(http({.target = server.endpoint(),
                    .source = {},
                    .version = HttpVersion::V1_1,
                    .url = {.digest = kAbc},
                    .timeout = 5s})
                  .verdict,
              Verdict::Passed);
}

}  // namespace
}  // namespace vipd::check

// SPDX-License-Identifier: Apache-2.0
// SSL_GET against a TLS server of the test's own; the datagram checks against servers on 127.0.0.1.
#include "tests/unit/check/server.hpp"
#include "userspace/check/http_client.hpp"
#include "userspace/check/tcp_attempt.hpp"
#include "userspace/check/udp_attempt.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>

#include <optional>

namespace vipd::check {
namespace {

using namespace std::chrono_literals;
using Verdict = Outcome::Verdict;

/// A certificate that signs itself, with its key.
struct Identity {
    EVP_PKEY* key = EVP_RSA_gen(2048);
    X509* certificate = X509_new();

    explicit Identity(const char* name) {
        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
        X509_set_pubkey(certificate, key);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate),
                                   "CN",
                                   MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(name),
                                   -1,
                                   -1,
                                   0);
        X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
        X509_sign(certificate, key, EVP_sha256());
    }
    ~Identity() {
        X509_free(certificate);
        EVP_PKEY_free(key);
    }
    Identity(const Identity&) = delete;
    Identity& operator=(const Identity&) = delete;

    template <class Write>
    static std::string pem(Write write) {
        BIO* memory = BIO_new(BIO_s_mem());
        write(memory);
        char* data = nullptr;
        const long size = BIO_get_mem_data(memory, &data);
        std::string text(data, static_cast<std::size_t>(size));
        BIO_free(memory);
        return text;
    }
    std::string certificate_pem() const {
        return pem([&](BIO* to) { PEM_write_bio_X509(to, certificate); });
    }
    std::string key_pem() const {
        return pem([&](BIO* to) {
            PEM_write_bio_PrivateKey(to, key, nullptr, nullptr, 0, nullptr, nullptr);
        });
    }
};

/// Answers one request after another by TLS; remembers what the last client said of itself.
class TlsServer {
  public:
    explicit TlsServer(const Identity& identity)
        : context_(SSL_CTX_new(TLS_server_method())), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
        SSL_CTX_use_certificate(context_, identity.certificate);
        SSL_CTX_use_PrivateKey(context_, identity.key);
        SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        (void)::bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
        (void)::listen(listener_, 8);
        (void)::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
        endpoint = {IpAddress::v4(INADDR_LOOPBACK), ntohs(address.sin_port)};
        thread_ = std::thread([this] { serve(); });
    }
    ~TlsServer() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
        SSL_CTX_free(context_);
    }
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    Endpoint endpoint;
    std::string asked_for;  ///< by SNI
    bool client_certificate = false;

  private:
    void serve() {
        for (;;) {
            const int fd = ::accept(listener_, nullptr, nullptr);
            if (fd < 0) return;
            SSL* ssl = SSL_new(context_);
            SSL_set_fd(ssl, fd);
            if (SSL_accept(ssl) == 1) {
                const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
                asked_for = name != nullptr ? name : "";
                X509* shown = SSL_get1_peer_certificate(ssl);
                client_certificate = shown != nullptr;
                X509_free(shown);
                std::array<char, 4096> request{};
                (void)SSL_read(ssl, request.data(), request.size());
                static constexpr std::string_view kAnswer = "HTTP/1.0 200 OK\r\n\r\nabc";
                (void)SSL_write(ssl, kAnswer.data(), kAnswer.size());
                SSL_shutdown(ssl);
            }
            SSL_free(ssl);
            ::close(fd);
        }
    }

    SSL_CTX* context_;
    int listener_;
    std::thread thread_;
};

/// A UDP server of one answer: bytes in, bytes out; nothing for silence.
class UdpServer {
  public:
    using Answer = std::function<Bytes(const Bytes&)>;
    explicit UdpServer(Answer answer)
        : answer_(std::move(answer)), socket_(::socket(AF_INET, SOCK_DGRAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        (void)::bind(socket_, reinterpret_cast<sockaddr*>(&address), length);
        (void)::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
        endpoint = {IpAddress::v4(INADDR_LOOPBACK), ntohs(address.sin_port)};
        thread_ = std::thread([this] { serve(); });
    }
    ~UdpServer() {
        end_ = true;
        thread_.join();
        ::close(socket_);
    }
    UdpServer(const UdpServer&) = delete;
    UdpServer& operator=(const UdpServer&) = delete;
    Endpoint endpoint;

  private:
    void serve() {
        while (!end_) {
            pollfd poll{socket_, POLLIN, 0};
            if (::poll(&poll, 1, 10) != 1) continue;
            Bytes bytes(2048);
            sockaddr_in from{};
            socklen_t length = sizeof from;
            const auto got = ::recvfrom(socket_,
                                        bytes.data(),
                                        bytes.size(),
                                        0,
                                        reinterpret_cast<sockaddr*>(&from),
                                        &length);
            if (got < 0) continue;
            bytes.resize(static_cast<std::size_t>(got));
            const Bytes out = answer_(bytes);
            if (!out.empty())
                (void)::sendto(
                    socket_, out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
        }
    }
    Answer answer_;
    int socket_;
    std::atomic<bool> end_ = false;
    std::thread thread_;
};

class CheckAttempt : public testing::Test {
  protected:
    template <class Start>
    Outcome run(Start start) {
        std::optional<Outcome> outcome;
        auto attempt = start([&](Outcome o) {
            outcome = std::move(o);
            loop_.exit(0);
        });
        auto guard = loop_.at(loop_.now() + 20s, [&](TimePoint) { loop_.exit(1); });
        EXPECT_EQ(loop_.run().value(), 0) << "the attempt did not end";
        attempt.reset();
        return outcome.value_or(Outcome::not_run("never"));
    }
    Outcome get(const Endpoint& target, Tls tls, HttpUrl url = {}) {
        auto client = HttpClient::create(loop_, {}).value();
        client->use(certificates_);
        return run([&](auto done) {
            return client->start({.target = target, .tls = std::move(tls), .url = std::move(url)},
                                 done);
        });
    }
    Outcome datagram(DatagramRequest request) {
        return run([&](auto done) { return start_datagram(loop_, std::move(request), done); });
    }

    EventLoop loop_ = EventLoop::create().value();
    HttpClient::Certificates certificates_;
};

TEST_F(CheckAttempt, SslGetBelievesAnyCertificateWithoutACa) {
    const Identity identity("anybody");
    TlsServer server(identity);
    const auto outcome = get(server.endpoint, {}, {.digest = "900150983cd24fb0d6963f7d28e17f72"});
    EXPECT_EQ(outcome.verdict, Verdict::Passed) << outcome.detail;
    EXPECT_EQ(server.asked_for, "");
}

TEST_F(CheckAttempt, SniIsTheNameGivenElseTheVirtualHost) {
    const Identity identity("www.example.org");
    TlsServer server(identity);
    const HttpUrl url{.virtualhost = "www.example.org"};
    EXPECT_EQ(get(server.endpoint, {.sni = true}, url).verdict, Verdict::Passed);
    EXPECT_EQ(server.asked_for, "www.example.org");
}

TEST_F(CheckAttempt, SniNameWinsOverTheVirtualHost) {
    const Identity identity("x");
    TlsServer server(identity);
    const HttpUrl url{.virtualhost = "www.example.org"};
    EXPECT_EQ(get(server.endpoint, {.sni = true, .sni_name = "other.example"}, url).verdict,
              Verdict::Passed);
    EXPECT_EQ(server.asked_for, "other.example");
}

TEST_F(CheckAttempt, WithACaOnlyItsCertificatesPass) {
    const Identity ours("ours");
    const Identity stranger("stranger");
    TlsServer server(stranger);
    certificates_.ca = ours.certificate_pem();
    EXPECT_EQ(get(server.endpoint, {}).verdict, Verdict::Failed);
}

TEST_F(CheckAttempt, OurCertificateIsShown) {
    const Identity ours("client");
    TlsServer server(ours);
    certificates_ = {ours.certificate_pem(), ours.certificate_pem(), ours.key_pem(), ""};
    const auto outcome = get(server.endpoint, {});
    EXPECT_EQ(outcome.verdict, Verdict::Passed) << outcome.detail;
    EXPECT_TRUE(server.client_certificate);
}

TEST_F(CheckAttempt, AServerWithoutTlsFails) {
    test::Server server(test::Server::says("HTTP/1.0 200 OK\r\n\r\n"));
    EXPECT_EQ(get(server.endpoint(), {}).verdict, Verdict::Failed);
}

TEST_F(CheckAttempt, ADnsAnswerPasses) {
    UdpServer server([](const Bytes& query) {
        Bytes answer = query;
        answer[2] |= 0x80;
        return answer;
    });
    const auto outcome = datagram({.target = server.endpoint,
                                   .payload = dns_query(7, ".", 6).value(),
                                   .timeout = 10s,
                                   .judge = [](ByteView answer) { return judge_dns(answer, 7); }});
    EXPECT_EQ(outcome.verdict, Verdict::Passed) << outcome.detail;
}

TEST_F(CheckAttempt, UdpSilencePassesWhereNoReplyIsRequired) {
    UdpServer server([](const Bytes&) { return Bytes(); });
    DatagramRequest request{.target = server.endpoint, .payload = {1}, .timeout = 100ms};
    request.judge = [](ByteView) { return Outcome::passed(); };
    request.silence_passes = true;
    EXPECT_EQ(datagram(request).verdict, Verdict::Passed);
}

TEST_F(CheckAttempt, AClosedUdpPortFails) {
    Endpoint closed;
    {
        UdpServer server([](const Bytes&) { return Bytes(); });
        closed = server.endpoint;
    }
    DatagramRequest request{.target = closed, .payload = {1}, .timeout = 10s};
    request.judge = [](ByteView) { return Outcome::passed(); };
    request.silence_passes = true;
    const auto outcome = datagram(request);
    EXPECT_EQ(outcome.verdict, Verdict::Failed);
    EXPECT_EQ(outcome.detail, "connection refused");
}

TEST_F(CheckAttempt, AMailServerIsGreeted) {
    // The server's harness reads up to an empty line first; SMTP servers speak first.
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
    std::string heard;
    std::thread mail([&] {
        const int fd = ::accept(listener, nullptr, nullptr);
        std::array<char, 512> part{};
        test::Server::send(fd, "220 mail ESMTP\r\n");
        heard.append(part.data(), static_cast<std::size_t>(::recv(fd, part.data(), 512, 0)));
        test::Server::send(fd, "250 hello\r\n");
        heard.append(part.data(), static_cast<std::size_t>(::recv(fd, part.data(), 512, 0)));
        ::close(fd);
    });
    TcpRequest request{.target = {IpAddress::v4(INADDR_LOOPBACK), ntohs(address.sin_port)}};
    request.dialogue.emplace("lb1");
    const auto outcome = run([&](auto done) { return start_tcp(loop_, request, done); });
    mail.join();
    ::close(listener);
    EXPECT_EQ(outcome.verdict, Verdict::Passed) << outcome.detail;
    EXPECT_EQ(heard, "HELO lb1\r\nQUIT\r\n");
}

}  // namespace
}  // namespace vipd::check

// SPDX-License-Identifier: Apache-2.0
#include "userspace/check/http_client.hpp"

#include "userspace/check/regex.hpp"
#include "userspace/check/socket.hpp"

#include <curl/curl.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>

namespace vipd::check {

namespace {

long to_ms(Nanos time) {
    return static_cast<long>(std::max<Nanos::rep>(1, std::chrono::ceil<Millis>(time).count()));
}

class Md5 {
  public:
    Md5() : context_(EVP_MD_CTX_new()) {
        good_ = context_ && EVP_DigestInit_ex(context_.get(), EVP_md5(), nullptr) == 1;
    }
    void add(const void* data, std::size_t size) {
        good_ = good_ && EVP_DigestUpdate(context_.get(), data, size) == 1;
    }
    /// Lower-case hex; empty where the library refuses MD5.
    std::string hex() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
        unsigned size = 0;
        if (!good_ || EVP_DigestFinal_ex(context_.get(), bytes.data(), &size) != 1) return {};
        static constexpr std::string_view kDigits = "0123456789abcdef";
        std::string out;
        for (unsigned i = 0; i < size; ++i) {
            out += kDigits[bytes[i] >> 4U];
            out += kDigits[bytes[i] & 15U];
        }
        return out;
    }

  private:
    struct Free {
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD_CTX, Free> context_;
    bool good_ = false;
};

class CurlClient;

class HttpAttempt final : public Attempt {
  public:
    HttpAttempt(CurlClient& client, HttpClient::Request request, Done done)
        : client_(client), request_(std::move(request)), done_(std::move(done)) {}
    ~HttpAttempt() override { drop(); }

    void start();
    void on_silence(TimePoint now);
    void on_complete(CURLcode code);
    void finish(Outcome outcome);

  private:
    static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
    static curl_socket_t on_open(void* self, curlsocktype purpose, curl_sockaddr* address);
    bool configure();
    bool configure_tls(const Tls& tls);
    void drop();
    bool wants_digest() const { return !request_.url.digest.empty() || request_.received; }
    Outcome outcome(CURLcode code);
    Outcome judge_body(Outcome so_far) const;

    struct EasyFree {
        void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
    };
    struct ListFree {
        void operator()(curl_slist* list) const { curl_slist_free_all(list); }
    };

    CurlClient& client_;
    HttpClient::Request request_;
    Done done_;
    std::unique_ptr<curl_slist, ListFree> headers_;
    std::unique_ptr<curl_slist, ListFree> connect_to_;
    std::string obstacle_;  // why there is no socket
    std::unique_ptr<CURL, EasyFree> easy_;
    bool added_ = false;
    Md5 md5_;
    std::size_t header_bytes_ = 0;
    std::size_t body_bytes_ = 0;
    std::string body_;  // for the regex
    HttpClient::Received received_;
    std::string refused_;  // why we ended the transfer ourselves
    TimePoint last_activity_;
    EventLoop::Source timer_;
};

class CurlClient final : public HttpClient {
  public:
    CurlClient(EventLoop& loop, Limits limits)
        : loop_(loop), limits_(limits), multi_(curl_multi_init()) {}
    ~CurlClient() override {
        if (multi_ != nullptr) curl_multi_cleanup(multi_);
    }
    CurlClient(const CurlClient&) = delete;
    CurlClient& operator=(const CurlClient&) = delete;

    bool configure();
    std::unique_ptr<Attempt> start(const Request& request, Attempt::Done done) override;

    EventLoop& loop() { return loop_; }
    CURLM* multi() { return multi_; }
    void use(Certificates certificates) override { certificates_ = std::move(certificates); }
    const Certificates& certificates() const { return certificates_; }
    const Limits& limits() const { return limits_; }

  private:
    static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* per_socket);
    static int on_timer(CURLM* multi, long timeout_ms, void* self);
    void act(curl_socket_t fd, int events);

    EventLoop& loop_;
    Limits limits_;
    CURLM* multi_;
    Certificates certificates_;
    std::map<curl_socket_t, EventLoop::Source> sockets_;
    EventLoop::Source timer_;
};

// --- the client ------------------------------------------------------------------------------

bool CurlClient::configure() {
    return multi_ != nullptr &&
           curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this) == CURLM_OK &&
           curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this) == CURLM_OK &&
           curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 0L) == CURLM_OK;
}

int CurlClient::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
    auto& client = *static_cast<CurlClient*>(self);
    if (what == CURL_POLL_REMOVE) {
        client.sockets_.erase(fd);
        return 0;
    }
    std::uint32_t events = 0;
    if ((what & CURL_POLL_IN) != 0) events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) events |= EPOLLOUT;
    auto& source = client.sockets_[fd];
    if (source) return EventLoop::set_events(source, events) ? 0 : -1;
    auto made = client.loop_.io(fd, events, [&client, fd](std::uint32_t revents) {
        int select = 0;
        if ((revents & EPOLLIN) != 0) select |= CURL_CSELECT_IN;
        if ((revents & EPOLLOUT) != 0) select |= CURL_CSELECT_OUT;
        if ((revents & (EPOLLERR | EPOLLHUP)) != 0) select |= CURL_CSELECT_ERR;
        client.act(fd, select);
    });
    if (!made) return -1;
    source = std::move(*made);
    return 0;
}

int CurlClient::on_timer(CURLM*, long timeout_ms, void* self) {
    auto& client = *static_cast<CurlClient*>(self);
    if (timeout_ms < 0) {
        client.timer_.reset();
        return 0;
    }
    // Never from here: libcurl does not want to be called from its own callbacks.
    auto timer = client.loop_.at(client.loop_.now() + Millis(timeout_ms),
                                 [&client](TimePoint) { client.act(CURL_SOCKET_TIMEOUT, 0); });
    if (!timer) return -1;
    client.timer_ = std::move(*timer);
    return 0;
}

void CurlClient::act(curl_socket_t fd, int events) {
    int running = 0;
    (void)curl_multi_socket_action(multi_, fd, events, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        const CURLcode code = message->data.result;
        char* attempt = nullptr;
        if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &attempt) == CURLE_OK)
            reinterpret_cast<HttpAttempt*>(attempt)->on_complete(code);
    }
}

std::unique_ptr<Attempt> CurlClient::start(const Request& request, Attempt::Done done) {
    auto attempt = std::make_unique<HttpAttempt>(*this, request, std::move(done));
    attempt->start();
    return attempt;
}

// --- one attempt -----------------------------------------------------------------------------

std::size_t HttpAttempt::on_header(char* data, std::size_t size, std::size_t count, void* self) {
    auto& attempt = *static_cast<HttpAttempt*>(self);
    attempt.last_activity_ = attempt.client_.loop().now();
    attempt.header_bytes_ += size * count;
    if (attempt.request_.received) attempt.received_.head.append(data, size * count);
    if (attempt.header_bytes_ <= attempt.client_.limits().header_bytes) return size * count;
    attempt.refused_ = "HTTP header is too long";
    return 0;
}

std::size_t HttpAttempt::on_body(char* data, std::size_t size, std::size_t count, void* self) {
    auto& attempt = *static_cast<HttpAttempt*>(self);
    attempt.last_activity_ = attempt.client_.loop().now();
    attempt.body_bytes_ += size * count;
    if (attempt.body_bytes_ > attempt.client_.limits().body_bytes) {
        attempt.refused_ = "HTTP body is longer than " +
                           std::to_string(attempt.client_.limits().body_bytes) + " bytes";
        return 0;
    }
    if (attempt.wants_digest()) attempt.md5_.add(data, size * count);
    if (attempt.request_.received) attempt.received_.body.append(data, size * count);
    if (!attempt.request_.url.regex.pattern.empty()) {
        const std::size_t room = attempt.client_.limits().regex_bytes - attempt.body_.size();
        attempt.body_.append(data, std::min(size * count, room));
    }
    return size * count;
}

bool HttpAttempt::configure() {
    CURL* easy = easy_.get();
    const Endpoint& target = request_.target;
    const std::string authority = target.to_string();
    const std::string host =
        request_.url.virtualhost.empty() ? authority : request_.url.virtualhost;
    const bool close = request_.version != HttpVersion::V1_0;
    const Nanos total = std::max(client_.limits().total, request_.timeout * 10);

    const auto add_header = [&](const std::string& line) {
        curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
        if (longer == nullptr) return false;
        (void)headers_.release();
        headers_.reset(longer);
        return true;
    };
    if (!add_header("Host: " + host) || !add_header("Accept:")) return false;
    if (!add_header(close ? "Connection: close" : "Connection:")) return false;

    bool good = true;
    const auto set = [&](CURLoption option, auto value) {
        good = good && curl_easy_setopt(easy, option, value) == CURLE_OK;
    };
    set(CURLOPT_URL, ((request_.tls ? "https://" : "http://") + authority + "/").c_str());
    if (request_.tls) good = good && configure_tls(*request_.tls);
    set(CURLOPT_REQUEST_TARGET, request_.url.path.c_str());
    set(CURLOPT_HTTPHEADER, headers_.get());
    set(CURLOPT_USERAGENT, "KeepAliveClient");
    set(CURLOPT_HTTP_VERSION,
        static_cast<long>(request_.version == HttpVersion::V1_1 ? CURL_HTTP_VERSION_1_1
                                                                : CURL_HTTP_VERSION_1_0));
    // The digest is that of the bytes on the wire, as genhash computes it.
    set(CURLOPT_HTTP_TRANSFER_DECODING, 0L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_FORBID_REUSE, 1L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, to_ms(request_.timeout));
    set(CURLOPT_TIMEOUT_MS, to_ms(total));
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_OPENSOCKETFUNCTION, on_open);
    set(CURLOPT_OPENSOCKETDATA, this);
    return good;
}

// As keepalived: without a CA whoever answers is believed; a load balancer's checks are not where a
// certificate is judged. The name sent is the one asked for, the address is the real server's.
bool HttpAttempt::configure_tls(const Tls& tls) {
    CURL* easy = easy_.get();
    const auto& certificates = client_.certificates();
    bool good = true;
    const auto set = [&](CURLoption option, auto value) {
        good = good && curl_easy_setopt(easy, option, value) == CURLE_OK;
    };
    const auto blob = [&](CURLoption option, const std::string& text) {
        if (text.empty()) return;
        curl_blob data{const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY};
        set(option, &data);
    };
    set(CURLOPT_SSL_VERIFYPEER, certificates.ca.empty() ? 0L : 1L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
    blob(CURLOPT_CAINFO_BLOB, certificates.ca);
    blob(CURLOPT_SSLCERT_BLOB, certificates.certificate);
    blob(CURLOPT_SSLKEY_BLOB, certificates.key);
    if (!certificates.password.empty()) set(CURLOPT_KEYPASSWD, certificates.password.c_str());
    std::string name = tls.sni_name.empty() ? request_.url.virtualhost : tls.sni_name;
    name = name.substr(0, name.find(':'));
    if (!tls.sni || name.empty()) return good;
    // libcurl sends the name of its URL: the name stands there, and leads to the address.
    const std::string port = std::to_string(request_.target.port);
    const std::string address = request_.target.address.is_v6()
                                    ? "[" + request_.target.address.to_string() + "]"
                                    : request_.target.address.to_string();
    connect_to_.reset(curl_slist_append(nullptr, ("::" + address + ":" + port).c_str()));
    set(CURLOPT_CONNECT_TO, connect_to_.get());
    set(CURLOPT_URL, ("https://" + name + ":" + port + "/").c_str());
    return good && connect_to_;
}

curl_socket_t HttpAttempt::on_open(void* self, curlsocktype, curl_sockaddr*) {
    auto& attempt = *static_cast<HttpAttempt*>(self);
    auto socket = open_socket(
        attempt.request_.target.address, attempt.request_.source, SOCK_STREAM, IPPROTO_TCP);
    if (socket) return socket->release();
    attempt.obstacle_ = socket.error().message;
    return CURL_SOCKET_BAD;
}

void HttpAttempt::start() {
    EventLoop& loop = client_.loop();
    last_activity_ = loop.now();
    easy_.reset(curl_easy_init());
    added_ =
        easy_ && configure() && curl_multi_add_handle(client_.multi(), easy_.get()) == CURLM_OK;
    auto timer = loop.at(added_ ? loop.now() + request_.timeout : loop.now(),
                         [this](TimePoint now) { on_silence(now); });
    if (timer) timer_ = std::move(*timer);
}

void HttpAttempt::on_silence(TimePoint now) {
    if (!added_) return finish(Outcome::not_run("libcurl cannot be set up"));
    const TimePoint end = last_activity_ + request_.timeout;
    if (now < end && EventLoop::rearm(timer_, end)) return;
    const bool connected = header_bytes_ > 0 || body_bytes_ > 0;
    finish(Outcome::failed(connected ? "HTTP answer timed out" : "timed out"));
}

Outcome HttpAttempt::outcome(CURLcode code) {
    if (!refused_.empty()) return Outcome::failed(refused_);
    if (!obstacle_.empty()) return Outcome::not_run(obstacle_);
    switch (code) {
        case CURLE_OK:
        case CURLE_PARTIAL_FILE: {  // shorter than announced: status and digest decide
            long status = 0;
            (void)curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
            const std::string md5 = wants_digest() ? md5_.hex() : std::string();
            if (wants_digest() && md5.empty()) return Outcome::not_run("MD5 is not available");
            if (request_.received) {
                received_.status = status;
                received_.md5 = md5;
                request_.received(received_);
            }
            return judge_body(judge_http(request_.url, status, md5));
        }
        case CURLE_INTERFACE_FAILED:
        case CURLE_OUT_OF_MEMORY:
        case CURLE_FAILED_INIT:
            return Outcome::not_run(curl_easy_strerror(code));
        case CURLE_COULDNT_CONNECT: {
            long errnum = 0;
            (void)curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &errnum);
            if (errnum == EMFILE || errnum == ENFILE || errnum == EADDRNOTAVAIL)
                return Outcome::not_run(std::strerror(static_cast<int>(errnum)));
            return Outcome::failed(errnum == ECONNREFUSED ? "connection refused"
                                                          : "connection failed");
        }
        default:
            return Outcome::failed(curl_easy_strerror(code));
    }
}

Outcome HttpAttempt::judge_body(Outcome so_far) const {
    const Regex& regex = request_.url.regex;
    if (so_far.verdict != Outcome::Verdict::Passed || regex.pattern.empty()) return so_far;
    const auto fit = fits(regex, body_);
    if (!fit) return Outcome::failed(fit.error().message);
    if (*fit) return so_far;
    return Outcome::failed(regex.no_match ? "the body matches the regex"
                                          : "the body does not match the regex");
}

void HttpAttempt::on_complete(CURLcode code) {
    finish(outcome(code));
}

void HttpAttempt::drop() {
    timer_.reset();
    if (added_) curl_multi_remove_handle(client_.multi(), easy_.get());
    added_ = false;
    easy_.reset();
}

void HttpAttempt::finish(Outcome outcome) {
    drop();
    const auto done = std::move(done_);  // the callee may destroy us
    done(std::move(outcome));
}

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::create(EventLoop& loop, Limits limits) {
    static const CURLcode global = curl_global_init(CURL_GLOBAL_SSL);
    auto client = std::make_unique<CurlClient>(loop, limits);
    if (global != CURLE_OK || !client->configure()) return fail("libcurl cannot be set up");
    return client;
}

}  // namespace vipd::check

// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/genhash.hpp"

#include "userspace/base/event_loop.hpp"
#include "userspace/check/http_client.hpp"

#include <fmt/format.h>
#include <getopt.h>
#include <netdb.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <netinet/in.h>
#include <optional>
#include <sys/socket.h>

namespace vipd::daemon {

namespace {

constexpr std::array kLongOptions{
    option{"use-ssl", no_argument, nullptr, 'S'},
    option{"use-sni", no_argument, nullptr, 'I'},
    option{"server", required_argument, nullptr, 's'},
    option{"port", required_argument, nullptr, 'p'},
    option{"url", required_argument, nullptr, 'u'},
    option{"use-virtualhost", required_argument, nullptr, 'V'},
    option{"verbose", no_argument, nullptr, 'v'},
    option{"help", no_argument, nullptr, 'h'},
    option{"fwmark", required_argument, nullptr, 'm'},
    option{"protocol", required_argument, nullptr, 'P'},
    option{"timeout", required_argument, nullptr, 't'},
    option{nullptr, 0, nullptr, 0},
};

constexpr const char* kUsage =
    "Usage: genhash -s SERVER -p PORT -u URL [OPTION...]\n"
    "The MD5 digest of a page, as `digest` of HTTP_GET and SSL_GET wants it.\n"
    "\n"
    "  -S, --use-ssl             ask by TLS\n"
    "  -I, --use-sni             name the virtual host in the TLS handshake\n"
    "  -s, --server=HOST         whom to ask\n"
    "  -p, --port=PORT\n"
    "  -u, --url=PATH\n"
    "  -V, --use-virtualhost=H   Host header\n"
    "  -P, --protocol=VERSION    1.0 (default), 1.0c (with Connection: close), 1.1\n"
    "  -m, --fwmark=MARK         firewall mark of what is sent\n"
    "  -t, --timeout=SECONDS     5 unless told\n"
    "  -v, --verbose             show the answer\n"
    "  -h, --help                this text\n";

struct Wanted {
    std::string server;
    check::HttpClient::Request request;
    bool verbose = false;
    bool help = false;
};

std::optional<std::uint32_t> number(std::string_view text, std::uint32_t most) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value == 0 || value > most)
        return std::nullopt;
    return value;
}

std::optional<check::HttpVersion> version_of(std::string_view text) {
    if (text == "1.0") return check::HttpVersion::V1_0;
    if (text == "1.0c" || text == "1.0C") return check::HttpVersion::V1_0C;
    if (text == "1.1") return check::HttpVersion::V1_1;
    return std::nullopt;
}

std::optional<Wanted> parse(int argc, char** argv) {
    Wanted wanted;
    wanted.request.url.path.clear();
    bool sni = false;
    bool good = true;
    optind = 0;
    for (;;) {
        const int given =
            ::getopt_long(argc, argv, "SIs:p:u:V:vhm:P:t:", kLongOptions.data(), nullptr);
        if (given == -1) break;
        switch (given) {
            case 'S':
                wanted.request.tls.emplace();
                break;
            case 'I':
                sni = true;
                break;
            case 's':
                wanted.server = optarg;
                break;
            case 'p': {
                const auto port = number(optarg, 65535);
                good = good && port;
                wanted.request.target.port = static_cast<std::uint16_t>(port.value_or(0));
                break;
            }
            case 'u':
                wanted.request.url.path = optarg;
                break;
            case 'V':
                wanted.request.url.virtualhost = optarg;
                break;
            case 'v':
                wanted.verbose = true;
                break;
            case 'h':
                wanted.help = true;
                return wanted;
            case 'm':
                wanted.request.source.fwmark = number(optarg, UINT32_MAX).value_or(0);
                good = good && wanted.request.source.fwmark != 0;
                break;
            case 'P': {
                const auto version = version_of(optarg);
                if (!version) fmt::print(stderr, "invalid HTTP protocol version '{}'\n", optarg);
                good = good && version;
                wanted.request.version = version.value_or(check::HttpVersion::V1_0);
                break;
            }
            case 't': {
                const auto seconds = number(optarg, 86400);
                good = good && seconds;
                wanted.request.timeout = Seconds(seconds.value_or(1));
                break;
            }
            default:
                good = false;
        }
    }
    const bool whole = !wanted.server.empty() && wanted.request.target.port != 0 &&
                       !wanted.request.url.path.empty() && optind >= argc;
    if (!good || !whole) return std::nullopt;
    if (wanted.request.tls) wanted.request.tls->sni = sni;
    return wanted;
}

std::optional<IpAddress> resolve(const std::string& name) {
    if (const auto address = IpAddress::parse(name)) return address;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return std::nullopt;
    std::array<char, NI_MAXHOST> text{};
    const int shown = ::getnameinfo(
        found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
    ::freeaddrinfo(found);
    return shown == 0 ? IpAddress::parse(text.data()) : std::nullopt;
}

/// Bytes as offset, hex and text, sixteen a line.
std::string hex_dump(std::string_view bytes) {
    constexpr std::size_t kLine = 16;
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += kLine) {
        out += fmt::format("{:04} ", at);
        std::string text;
        for (std::size_t i = 0; i < kLine; ++i) {
            if (i == kLine / 2) out += " -";
            if (at + i >= bytes.size()) {
                out += "   ";
                text += ' ';
                continue;
            }
            const auto byte = static_cast<unsigned char>(bytes[at + i]);
            out += fmt::format(" {:02x}", byte);
            text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
        }
        out += "   " + text + "\n";
    }
    return out;
}

void show(const check::HttpClient::Received& answer) {
    std::string digest;
    for (std::size_t at = 0; at + 1 < answer.md5.size(); at += 2)
        digest += static_cast<char>(std::stoi(answer.md5.substr(at, 2), nullptr, 16));
    fmt::print("---- header\n{}\n{}\n---- body\n{}\n---- MD5 of the body\n{}\n",
               hex_dump(answer.head),
               answer.head,
               hex_dump(answer.body),
               hex_dump(digest));
}

}  // namespace

int genhash(int argc, char** argv) {
    auto wanted = parse(argc, argv);
    if (!wanted || wanted->help) {
        fmt::print(wanted ? stdout : stderr, "{}", kUsage);
        return wanted ? 0 : 1;
    }
    const auto address = resolve(wanted->server);
    if (!address) {
        fmt::print(stderr, "{}: no such host\n", wanted->server);
        return 1;
    }
    wanted->request.target.address = *address;
    auto loop = EventLoop::create();
    auto client =
        loop ? check::HttpClient::create(*loop, {}) : tl::unexpected(Error{loop.error().message});
    if (!client) {
        fmt::print(stderr, "genhash: {}\n", client.error().message);
        return 1;
    }
    bool answered = false;
    // Whatever the status: it is the page's digest that is asked for.
    wanted->request.url.status_codes = {{100, 999}};
    wanted->request.received = [&](const check::HttpClient::Received& answer) {
        answered = true;
        if (wanted->verbose) show(answer);
        fmt::print("{}\n", answer.md5);
    };
    const auto attempt = (*client)->start(wanted->request, [&](const check::Outcome& outcome) {
        if (!answered) fmt::print(stderr, "genhash: {}\n", outcome.detail);
        loop->exit(answered ? 0 : 1);
    });
    return loop->run().value_or(1);
}

}  // namespace vipd::daemon

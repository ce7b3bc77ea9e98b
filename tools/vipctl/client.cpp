// SPDX-License-Identifier: Apache-2.0
#include "tools/vipctl/client.hpp"

#include "userspace/base/fd.hpp"
#include "userspace/base/text.hpp"

#include <httplib.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>
#include <sys/un.h>

namespace vipd::vipctl {
namespace {

constexpr time_t kConnectSeconds = 5;
constexpr time_t kReadSeconds = 20;  // longer than vipd lets a command take

tl::unexpected<Failure> unreachable(const std::string& socket, int error) {
    std::string hint;
    if (error == ENOENT || error == ECONNREFUSED) hint = "; is vipd running?";
    if (error == EACCES || error == EPERM) hint = "; are you root?";
    return tl::unexpected<Failure>(
        Failure{"cannot reach vipd at " + socket + ": " + std::strerror(error) + hint, false});
}

/// httplib says only that a connection failed; this finds out why.
int connect_error(const std::string& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.size() >= sizeof address.sun_path) return ENAMETOOLONG;
    std::ranges::copy(socket, address.sun_path);
    const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return errno;
    const auto* raw = reinterpret_cast<const sockaddr*>(&address);
    return ::connect(fd.get(), raw, sizeof address) < 0 ? errno : 0;
}

std::string refusal(int status, const std::string& body) {
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (json.is_object() && json.contains("error") && json["error"].is_string())
        return printable(json["error"].get<std::string>(), 1000);
    return "vipd answered with HTTP status " + std::to_string(status);
}

/// One request: `send` makes it on a client that is set up.
template <class Send>
Answer<httplib::Response> request(const std::string& socket, Send send) {
    if (const int error = connect_error(socket)) return unreachable(socket, error);
    httplib::ClientImpl http(socket, 80);
    http.set_address_family(AF_UNIX);
    http.set_default_headers({{"Host", "vipd"}});
    http.set_connection_timeout(kConnectSeconds);
    http.set_read_timeout(kReadSeconds);
    httplib::Result result = send(http);
    if (!result)
        return tl::unexpected<Failure>(Failure{
            "no answer from vipd at " + socket + ": " + httplib::to_string(result.error()), false});
    if (result->status != 200)
        return tl::unexpected<Failure>(Failure{refusal(result->status, result->body), true});
    return std::move(*result);
}

}  // namespace

Answer<std::string> Client::get(const std::string& target) const {
    return request(socket_, [&](httplib::ClientImpl& http) { return http.Get(target); })
        .map([](httplib::Response response) { return std::move(response.body); });
}

Answer<std::string> Client::post(const std::string& target, const std::string& body) const {
    return request(socket_,
                   [&](httplib::ClientImpl& http) {
                       return http.Post(target, body, "application/json");
                   })
        .map([](httplib::Response response) { return std::move(response.body); });
}

Answer<bool> Client::stream(const std::string& target,
                            const std::function<bool(std::string_view)>& take) const {
    int status = 0;
    std::string error;
    auto answer = request(socket_, [&](httplib::ClientImpl& http) {
        return http.Get(
            target,
            [&](const httplib::Response& response) {
                status = response.status;
                return true;
            },
            [&](const char* data, std::size_t size) {
                if (status == 200) return take({data, size});
                error.append(data, size);
                return error.size() < 4096;
            });
    });
    if (answer) return true;
    if (answer.error().refused) answer.error().message = refusal(status, error);
    return tl::unexpected<Failure>(std::move(answer).error());
}

}  // namespace vipd::vipctl

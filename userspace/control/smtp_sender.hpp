// SPDX-License-Identifier: Apache-2.0
// A mail alert as values: its text, and the dialogue that hands it over (RFC 5321; HELO, MAIL,
// RCPT, DATA, QUIT, one attempt, as keepalived). The server's lines go in, what to send comes out.
#pragma once

#include <vipd/error.hpp>

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::control {

/// All that one mail needs; travels to the process that sends it as text.
struct Mail {
    std::string server;  ///< name or address
    std::uint16_t port = 25;
    std::uint32_t timeout_ms = 30'000;  ///< of the connection, and of every answer
    std::string helo;
    std::string from;
    std::vector<std::string> to;
    std::string subject;
    std::string body;
    bool operator==(const Mail&) const = default;
};

std::string encode(const Mail& mail);
Result<Mail> decode_mail(std::string_view text);

/// Headers and body as they go over the wire, without the final dot. Line breaks in what is
/// configured do not make headers.
std::string message_text(const Mail& mail, std::time_t now);

class SmtpSender {
  public:
    SmtpSender(const Mail& mail, std::time_t now) : mail_(mail), text_(message_text(mail, now)) {}

    struct Step {
        std::string send{};
        std::optional<std::string> error{};  ///< the end; "" = delivered
    };
    /// A whole line of the server, without its end.
    Step line(std::string_view line);

  private:
    enum class State : std::uint8_t { Greeting, Helo, From, To, Data, Text, Quit };

    Mail mail_;
    std::string text_;
    State state_ = State::Greeting;
    std::size_t recipient_ = 0;
    bool delivered_ = false;
};

}  // namespace vipd::control

// SPDX-License-Identifier: Apache-2.0
// SMTP_CHECK as values (RFC 5321, 3.1, 3.2): greeting, HELO, QUIT. Bytes of the server go in, what
// to send and in the end an outcome come out.
#pragma once

#include "userspace/check/checker.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace vipd::check {

class SmtpDialogue {
  public:
    explicit SmtpDialogue(std::string helo_name) : helo_name_(std::move(helo_name)) {}

    struct Step {
        std::string send{};
        std::optional<Outcome> outcome{};
    };
    Step feed(std::string_view bytes);
    /// The server has closed.
    Outcome closed() const;

    /// A greeting may be of many lines; more than this is no greeting.
    static constexpr std::size_t kMaxReply = std::size_t{8} * 1024;

  private:
    enum class State : std::uint8_t { Greeting, Helo };
    Step reply(std::string_view line);

    std::string helo_name_;
    std::string line_;
    std::size_t received_ = 0;
    State state_ = State::Greeting;
};

}  // namespace vipd::check

// SPDX-License-Identifier: Apache-2.0
// TCP_CHECK: can a connection be opened? And SMTP_CHECK: does a mail server answer on it?
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/check/attempt.hpp"
#include "userspace/check/smtp_dialogue.hpp"

#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <memory>
#include <optional>

namespace vipd::check {

struct TcpRequest {
    Endpoint target{};
    Source source{};
    Nanos timeout{Seconds(5)};               ///< for the whole attempt
    std::optional<SmtpDialogue> dialogue{};  ///< none: the handshake is enough
};

/// Connects, has the dialogue, and closes again. NotRun where no socket is to be had or bound.
std::unique_ptr<Attempt> start_tcp(EventLoop& loop, TcpRequest request, Attempt::Done done);

}  // namespace vipd::check

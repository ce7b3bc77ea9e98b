// SPDX-License-Identifier: Apache-2.0
#include "userspace/check/smtp_dialogue.hpp"

#include "userspace/base/text.hpp"

namespace vipd::check {

namespace {

constexpr std::size_t kShown = 80;

}  // namespace

SmtpDialogue::Step SmtpDialogue::feed(std::string_view bytes) {
    received_ += bytes.size();
    Step step;
    while (!bytes.empty() && !step.outcome) {
        const auto end = bytes.find('\n');
        line_ += bytes.substr(0, end);
        if (end == std::string_view::npos) break;
        bytes.remove_prefix(end + 1);
        if (line_.ends_with('\r')) line_.pop_back();
        const Step next = reply(line_);
        line_.clear();
        step.send += next.send;
        step.outcome = next.outcome;
    }
    if (!step.outcome && received_ > kMaxReply)
        step.outcome = Outcome::failed("SMTP reply is too long");
    return step;
}

// "250-more" goes on, "250 last" and "250" are the end of a reply.
SmtpDialogue::Step SmtpDialogue::reply(std::string_view line) {
    const std::string_view wanted = state_ == State::Greeting ? "220" : "250";
    const bool goes_on = line.size() > 3 && line[3] == '-';
    const bool ends = line.size() == 3 || (line.size() > 3 && line[3] == ' ');
    if (line.substr(0, 3) != wanted || (!goes_on && !ends))
        return {{}, Outcome::failed("SMTP server says " + printable(line, kShown))};
    if (goes_on) return {};
    if (state_ == State::Helo) return {"QUIT\r\n", Outcome::passed()};
    state_ = State::Helo;
    return {"HELO " + helo_name_ + "\r\n", std::nullopt};
}

Outcome SmtpDialogue::closed() const {
    return Outcome::failed(state_ == State::Greeting ? "closed before the SMTP greeting"
                                                     : "closed before the answer to HELO");
}

}  // namespace vipd::check

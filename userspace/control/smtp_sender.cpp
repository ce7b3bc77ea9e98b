// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/smtp_sender.hpp"

#include "userspace/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace vipd::control {

namespace {

constexpr std::size_t kShown = 120;

std::string one_line(std::string_view text) {
    std::string out(text);
    std::ranges::replace_if(out, [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
    return out;
}

/// RFC 5322, 3.3.
std::string date_text(std::time_t now) {
    std::array<char, 64> text{};
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    const auto length =
        std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S +0000", &utc);
    return {text.data(), length};
}

/// Lines end in CR LF, and one that begins with a dot gets another (RFC 5321, 4.5.2).
std::string wire_text(std::string_view body) {
    std::string out;
    while (!body.empty()) {
        const auto end = body.find('\n');
        auto line = body.substr(0, end);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.starts_with('.')) out += '.';
        out += line;
        out += "\r\n";
        body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
    }
    return out;
}

template <class Number>
bool read_number(const std::string& text, Number& to) {
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), to);
    return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

}  // namespace

std::string encode(const Mail& mail) {
    std::string text = fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
                                   one_line(mail.server),
                                   mail.port,
                                   mail.timeout_ms,
                                   one_line(mail.helo),
                                   one_line(mail.from),
                                   one_line(mail.subject),
                                   mail.to.size());
    for (const auto& to : mail.to) text += one_line(to) + "\n";
    return text + mail.body;
}

Result<Mail> decode_mail(std::string_view text) {
    const auto next = [&] {
        const auto end = text.find('\n');
        std::string line(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        return line;
    };
    Mail mail;
    mail.server = next();
    std::size_t recipients = 0;
    bool good = read_number(next(), mail.port);
    good = read_number(next(), mail.timeout_ms) && good;
    mail.helo = next();
    mail.from = next();
    mail.subject = next();
    good = read_number(next(), recipients) && good;
    if (!good || mail.server.empty() || recipients > text.size()) return fail("no mail");
    for (std::size_t at = 0; at < recipients; ++at) mail.to.push_back(next());
    mail.body = text;
    return mail;
}

std::string message_text(const Mail& mail, std::time_t now) {
    std::string to;
    for (const auto& one : mail.to) to += (to.empty() ? "" : ", ") + one_line(one);
    return fmt::format(
               "Date: {}\r\nFrom: {}\r\nSubject: {}\r\nX-Mailer: Keepalived\r\nTo: {}\r\n\r\n",
               date_text(now),
               one_line(mail.from),
               one_line(mail.subject),
               to) +
           wire_text(mail.body);
}

SmtpSender::Step SmtpSender::line(std::string_view line) {
    const bool goes_on = line.size() > 3 && line[3] == '-';
    const char wanted = state_ == State::Data ? '3' : '2';
    if (line.size() < 3 || line.front() != wanted) {
        if (delivered_) return {{}, ""};  // what it says to QUIT does not matter
        return {{}, "the server says " + printable(line, kShown)};
    }
    if (goes_on) return {};
    switch (state_) {
        case State::Greeting:
            state_ = State::Helo;
            return {"HELO " + one_line(mail_.helo) + "\r\n", std::nullopt};
        case State::Helo:
            state_ = State::From;
            return {"MAIL FROM:<" + one_line(mail_.from) + ">\r\n", std::nullopt};
        case State::From:
        case State::To:
            if (recipient_ < mail_.to.size()) {
                state_ = State::To;
                return {"RCPT TO:<" + one_line(mail_.to[recipient_++]) + ">\r\n", std::nullopt};
            }
            state_ = State::Data;
            return {"DATA\r\n", std::nullopt};
        case State::Data:
            state_ = State::Text;
            return {text_ + ".\r\n", std::nullopt};
        case State::Text:
            state_ = State::Quit;
            delivered_ = true;
            return {"QUIT\r\n", std::nullopt};
        case State::Quit:
            break;
    }
    return {{}, ""};
}

}  // namespace vipd::control

// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/text.hpp"
#include "userspace/config/reporter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace vipd::config {

namespace {

// Longer lines are not shown: a diagnostic carries its line, and a file of garbage may be one line.
constexpr std::size_t kMaxSource = 2000;

std::string_view name_of(Severity severity) {
    switch (severity) {
        case Severity::Warning:
            return "warning";
        case Severity::Error:
            return "error";
        case Severity::Security:
            return "security";
        case Severity::Fatal:
            return "fatal";
    }
    return "error";
}

struct Character {
    std::string_view bytes;
    std::uint32_t code = 0;  ///< 0xfffd for bytes that are no UTF-8
};

/// The character at `position`: the byte there and the continuation bytes after it, as the lexer
/// counts columns.
Character character_at(std::string_view text, std::size_t position) {
    std::size_t end = position + 1;
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    while (end < text.size() && (byte(end) & 0xc0U) == 0x80U) ++end;
    const std::size_t length = end - position;
    const unsigned lead = byte(position);
    const std::size_t expected = lead < 0x80   ? 1
                                 : lead < 0xc0 ? 0
                                 : lead < 0xe0 ? 2
                                 : lead < 0xf0 ? 3
                                 : lead < 0xf8 ? 4
                                               : 0;
    if (length != expected) return {text.substr(position, length), 0xfffd};
    std::uint32_t code = length == 1 ? lead : lead & (0xffU >> (length + 1));
    for (std::size_t at = position + 1; at < end; ++at) code = code << 6U | (byte(at) & 0x3fU);
    return {text.substr(position, length), code};
}

/// How many cells a terminal gives the character (Unicode's wide and zero-width ranges, coarsely).
std::size_t cells(std::uint32_t code) {
    if ((code >= 0x300 && code <= 0x36f) || (code >= 0x200b && code <= 0x200f) || code == 0xfeff)
        return 0;
    const bool wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
                      (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
                      (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
                      (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1f300 && code <= 0x1f9ff) ||
                      (code >= 0x20000 && code <= 0x3fffd);
    return wide ? 2 : 1;
}

/// A password in a line that is about to be shown becomes asterisks.
void mask_password(std::string& line) {
    constexpr std::string_view kBlank = " \t\r";
    for (std::size_t at = line.find("auth_pass"); at != std::string::npos;
         at = line.find("auth_pass", at)) {
        at += std::string_view("auth_pass").size();
        std::size_t begin = line.find_first_not_of(kBlank, at);
        if (begin == std::string::npos || begin == at) continue;
        std::size_t end = line.find_first_of(kBlank, begin);
        if (line[begin] == '"') end = line.find('"', begin + 1);
        if (end == std::string::npos) end = line.size();
        std::string stars;
        for (std::size_t i = begin; i < end; i += character_at(line, i).bytes.size()) stars += '*';
        line.replace(begin, std::min(end, line.size()) - begin, stars);
        at = begin + stars.size();
    }
}

/// So does everything behind `key`, but the number of a key of auth_hmac: also what may be a part
/// of it that should have been quoted.
void mask_key(std::string& line) {
    constexpr std::string_view kBlank = " \t";
    std::size_t at = line.find("key");
    while (at != std::string::npos && ((at > 0 && kBlank.find(line[at - 1]) == kBlank.npos) ||
                                       line.find_first_of(kBlank, at) != at + 3))
        at = line.find("key", at + 1);
    if (at == std::string::npos) return;
    std::string shown = line.substr(0, at + 3);
    std::size_t rest = line.find_first_not_of(kBlank, shown.size());
    const std::size_t id = std::min(line.find_first_not_of("0123456789", rest), line.size());
    // A number as long as that is a key.
    if (rest == std::string::npos || id - rest > 3 || kBlank.find(line[id]) == kBlank.npos)
        rest = shown.size();
    else
        rest = id;
    shown = line.substr(0, rest);
    while (rest < line.size()) {
        const auto bytes = character_at(line, rest).bytes;
        shown += kBlank.find(bytes) == kBlank.npos ? "*" : std::string(bytes);
        rest += bytes.size();
    }
    line = std::move(shown);
}

}  // namespace

std::string Location::to_string() const {
    return fmt::format("{}:{}:{}", file ? file->name() : std::string("?"), line, column);
}

std::string render(const Diagnostic& diagnostic) {
    std::string out = fmt::format(
        "{}: {}: {}", diagnostic.at.to_string(), name_of(diagnostic.severity), diagnostic.message);
    if (!diagnostic.source.empty()) {
        const std::string_view source = diagnostic.source;
        std::string line = "\n    ";
        std::string caret = "\n    ";
        const std::uint32_t last = diagnostic.at.column + std::max(diagnostic.length, 1U) - 1;
        std::uint32_t column = 1;
        bool text_begun = false;
        for (std::size_t at = 0; at < source.size(); ++column) {
            const Character c = character_at(source, at);
            at += c.bytes.size();
            const bool blank = c.code == ' ' || c.code == '\t';
            if (!text_begun && blank && column < diagnostic.at.column) continue;  // the indentation
            text_begun = true;
            if (c.code == '\t')
                line += '\t';
            else if (c.code < 0x20 || (c.code >= 0x7f && c.code < 0xa0) || c.code == 0xfffd)
                line += '?';
            else
                line += c.bytes;
            if (column > last) continue;
            const bool marked = column >= diagnostic.at.column;
            if (c.code == '\t') {  // a tab is as wide below as above, whatever the terminal's stops
                caret += '\t';
                continue;
            }
            const char mark = !marked ? ' ' : column == diagnostic.at.column ? '^' : '~';
            for (std::size_t cell = 0; cell < cells(c.code); ++cell)
                caret += cell == 0 ? mark : marked ? '~' : ' ';
        }
        if (column <= diagnostic.at.column) caret += '^';  // just past the end of the line
        out += line + caret;
    }
    if (!diagnostic.hint.empty()) out += "\n    " + diagnostic.hint;
    return out;
}

bool Parsed::has(Severity severity) const {
    return std::ranges::any_of(
        diagnostics, [&](const Diagnostic& diagnostic) { return diagnostic.severity == severity; });
}

int Parsed::exit_status() const {
    if (has(Severity::Fatal)) return 4;
    if (has(Severity::Security)) return 6;
    const bool any = std::ranges::any_of(diagnostics, [](const Diagnostic& diagnostic) {
        return diagnostic.severity != Severity::Warning || diagnostic.keepalived_too;
    });
    return any ? 5 : 0;
}

std::string quoted(std::string_view text) {
    return "'" + printable(text, 60) + "'";
}

SourceFile::SourceFile(std::string name, std::shared_ptr<const std::string> text)
    : name_(std::move(name)), owner_(std::move(text)), text_(without_bom(*owner_)) {
    for (std::size_t at = text_.find('\n'); at != std::string_view::npos;
         at = text_.find('\n', at)) {
        ++at;
        if (lines_++ % kStride == 0) line_starts_.push_back(at);
    }
}

std::string SourceFile::line(std::uint32_t number) const {
    if (number == 0 || number > lines_) return {};
    std::size_t begin = line_starts_[(number - 1) / kStride];
    for (std::uint32_t left = (number - 1) % kStride; left > 0; --left)
        begin = text_.find('\n', begin) + 1;
    const std::size_t end = std::min(text_.find('\n', begin), text_.size());
    if (end - begin > kMaxSource) return {};
    std::string shown(text_.substr(begin, end - begin));
    if (shown.ends_with('\r')) shown.pop_back();
    mask_password(shown);
    mask_key(shown);
    return shown;
}

std::uint32_t SourceFile::word_length(std::uint32_t number, std::uint32_t from) const {
    const std::string text = line(number);
    std::uint32_t column = 1;
    std::uint32_t length = 0;
    std::string_view quote;
    for (std::size_t at = 0; at < text.size(); ++column) {
        const Character c = character_at(text, at);
        at += c.bytes.size();
        if (column < from) continue;
        ++length;
        if (length == 1 && (c.bytes == "\"" || c.bytes == "'")) {
            quote = c.bytes;
        } else if (!quote.empty()) {
            if (c.bytes == quote) break;
        } else if (std::string_view(" \t{}#!").find(c.bytes) != std::string_view::npos) {
            --length;
            break;
        }
    }
    return std::max(length, 1U);
}

Diagnostic diagnostic_at(Severity severity,
                         const Location& at,
                         std::string message,
                         std::string hint) {
    Diagnostic diagnostic;
    diagnostic.severity = severity;
    diagnostic.at = at;
    diagnostic.message = std::move(message);
    diagnostic.hint = std::move(hint);
    if (at.file) {
        diagnostic.source = at.file->line(at.line);
        diagnostic.length = at.file->word_length(at.line, at.column);
    }
    return diagnostic;
}

std::uint32_t Reporter::add_file(std::shared_ptr<const std::string> text, std::string name) {
    files_.push_back(std::make_shared<const SourceFile>(std::move(name), std::move(text)));
    return static_cast<std::uint32_t>(files_.size() - 1);
}

std::uint32_t Reporter::number_of(const Location& place) const {
    for (std::uint32_t number = 0; number < files_.size(); ++number)
        if (files_[number] == place.file) return number;
    return 0;
}

void Reporter::add(
    Severity severity, bool shared, const Word& word, std::string message, std::string hint) {
    // The first thousand say enough, but what decides the exit status is never lost.
    const int rank = static_cast<int>(severity) * 2 + (shared ? 1 : 0);
    if (full() && rank <= worst_) {
        ++left_out_;
        return;
    }
    worst_ = std::max(worst_, rank);
    Diagnostic diagnostic;
    diagnostic.severity = severity;
    diagnostic.at = at(word);
    diagnostic.message = std::move(message);
    diagnostic.hint = std::move(hint);
    diagnostic.source = files_[word.file]->line(word.line);
    diagnostic.length = word.length;
    diagnostic.keepalived_too = shared;
    diagnostics_.push_back(std::move(diagnostic));
}

void Reporter::warning(const Word& word, std::string message, std::string hint) {
    add(Severity::Warning, false, word, std::move(message), std::move(hint));
}

void Reporter::complaint(const Word& word, std::string message, std::string hint) {
    add(Severity::Warning, true, word, std::move(message), std::move(hint));
}

void Reporter::error(const Word& word, std::string message, std::string hint) {
    add(Severity::Error, true, word, std::move(message), std::move(hint));
}

void Reporter::security(const Word& word, std::string message, std::string hint) {
    add(Severity::Security, true, word, std::move(message), std::move(hint));
}

void Reporter::fatal(const Word& word, std::string message, std::string hint) {
    add(Severity::Fatal, true, word, std::move(message), std::move(hint));
}

Word Reporter::word_at(const Location& place) const {
    Word word;
    word.file = number_of(place);
    word.line = place.line;
    word.column = place.column;
    word.length = files_[word.file]->word_length(place.line, place.column);
    return word;
}

std::vector<Diagnostic> Reporter::take() {
    std::map<const SourceFile*, std::uint32_t> order;
    for (std::uint32_t number = 0; number < files_.size(); ++number)
        order.emplace(files_[number].get(), number);
    const auto rank = [&](const Diagnostic& one) {
        return std::tuple(order[one.at.file.get()], one.at.line, one.at.column);
    };
    std::ranges::stable_sort(diagnostics_,
                             [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    if (left_out_ > 0) {
        Word end;
        end.line = files_.front()->lines();
        end.column = 1;
        Diagnostic last;
        last.severity = Severity::Warning;
        last.at = at(end);
        last.message = fmt::format("{} more messages are not shown", left_out_);
        diagnostics_.push_back(std::move(last));
    }
    return std::move(diagnostics_);
}

}  // namespace vipd::config

// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/lexer.hpp"

#include "userspace/config/keywords.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vipd::config {

namespace {

// A longer name defines nothing; this bounds the look ahead.
constexpr std::size_t kMaxDefinition = 256;
// What expansions of all kinds may add: far more than any file needs, far less than memory.
constexpr std::size_t kMaxExpanded = std::size_t{16} << 20;
constexpr std::size_t kMaxDepth = 48;
constexpr std::size_t kMaxIncluded = 10'000;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

/// A line without its comment: what stands in one is not replaced.
std::string_view before_comment(std::string_view line) {
    bool quoted = false;
    for (std::size_t at = 0; at < line.size(); ++at) {
        if (line[at] == '"') quoted = !quoted;
        if (!quoted && line[at] == '\\')
            ++at;
        else if (!quoted && (line[at] == '#' || line[at] == '!'))
            return line.substr(0, at);
    }
    return line;
}

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Lexer::Lexer(std::string_view text,
             std::string_view config_id,
             const Sources& sources,
             Reporter& reporter)
    : definitions_([this](std::string_view words) { return predefined(words); }),
      config_id_(config_id),
      sources_(sources),
      reporter_(reporter),
      random_(sources.seed),
      budget_(kMaxExpanded) {
    include_check_ = sources.include_check;
    now_.text = without_bom(text);
}

std::string_view Lexer::rest_of_line() const {
    std::string_view line = rest().substr(0, rest().find('\n'));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

bool Lexer::at_line_break(std::size_t ahead) const {
    const std::size_t at = now_.position + ahead;
    if (at >= now_.text.size()) return false;
    if (now_.text[at] == '\n') return true;
    return now_.text[at] == '\r' && (at + 1 == now_.text.size() || now_.text[at + 1] == '\n');
}

void Lexer::advance() {
    const auto byte = static_cast<unsigned char>(now_.text[now_.position++]);
    if (now_.kind != Frame::Kind::File) {
        now_.column = now_.columns[now_.position];
    } else if (byte == '\n') {
        ++now_.line;
        now_.column = 1;
    } else if ((byte & 0xc0U) != 0x80U) {  // a continuation byte belongs to the character before
        ++now_.column;
    }
}

void Lexer::advance(std::size_t bytes) {
    while (bytes-- > 0) advance();
}

void Lexer::skip_line() {
    while (!at_end() && !at_line_break()) advance();
}

Word Lexer::begin_word() const {
    Word word;
    word.file = now_.file;
    word.line = now_.line;
    word.column = now_.column;
    return word;
}

/// The rest of the line as one word.
Word Lexer::take_line() {
    Word word = begin_word();
    const std::size_t begin = now_.position;
    skip_line();
    word.text = std::string(now_.text.substr(begin, now_.position - begin));
    word.length = now_.column > word.column ? now_.column - word.column : 1;
    return word;
}

/// What only the beginning of a line can be: `@id`, `$NAME=value`, a loop, an include. References
/// are replaced one level at a time: what they bring in is read like lines of its own.
void Lexer::start_line() {
    line_start_ = false;
    skip_blanks();
    while (peek() == '@') {
        if (!conditional_line()) return;
        skip_blanks();
    }
    if (peek() == '$') {
        const std::size_t length = Definitions::defines(rest().substr(0, kMaxDefinition));
        if (length > 0) {
            define(length);
            return;
        }
    }
    if (peek() == '~') {
        const std::size_t head = loop_head(rest_of_line());
        if (head != 0) {
            begin_loop(head);
            return;
        }
    }
    if (const std::size_t keyword = include_keyword(); keyword > 0)
        include(keyword);
    else
        expand_line();
}

bool Lexer::may_push(const Word& word, std::size_t bytes) {
    if (below_.size() < kMaxDepth && bytes < budget_) {
        budget_ -= bytes;
        return true;
    }
    if (!budget_reported_)
        reporter_.error(word,
                        below_.size() < kMaxDepth
                            ? "the definitions and loops of this file expand to too much text; "
                              "the rest of them is left as it is written"
                            : "definitions, loops or includes are nested too deeply here");
    budget_reported_ = true;
    return false;
}

void Lexer::push(Frame frame) {
    below_.push_back(std::exchange(now_, std::move(frame)));
    line_start_ = true;
}

/// The line with its references replaced, if it has any.
bool Lexer::expand_line() {
    const std::string_view line = before_comment(rest_of_line());
    if (!definitions_.refers(line)) return false;
    const Word word = begin_word();
    const std::size_t end = now_.position + line.size();
    Frame frame;
    frame.kind = Frame::Kind::Expansion;
    std::string text;
    bool replaced = false;
    while (now_.position < end) {
        const auto found =
            peek() == '$'
                ? definitions_.reference(now_.text.substr(now_.position, end - now_.position))
                : std::nullopt;
        if (found && text.size() + found->value.size() < budget_) {
            replaced = true;
            text += found->value;
            frame.columns.resize(text.size(), now_.column);
            advance(found->length);
        } else {
            text += peek();
            frame.columns.push_back(now_.column);
            advance();
        }
    }
    frame.columns.push_back(now_.column);
    const bool pushed = replaced && may_push(word, text.size() + 1);
    frame.file = now_.file;
    frame.line = now_.line;
    frame.column = word.column;
    frame.owner = std::make_shared<const std::string>(std::move(text));
    frame.text = *frame.owner;
    push(std::move(frame));
    if (!pushed) line_start_ = false;  // as it is written
    return pushed;
}

void Lexer::begin_loop(std::size_t head) {
    Word word = begin_word();
    word.text = std::string(rest_of_line().substr(0, 4));
    word.length = 4;
    if (head == std::string_view::npos) {
        reporter_.error(word, fmt::format("{} has no ')'; the line is ignored", word.text));
        skip_line();
        return;
    }
    Frame frame;
    frame.kind = Frame::Kind::Loop;
    frame.loop = parse_loop(definitions_.expanded(std::string(rest_of_line().substr(0, head))));
    advance(head);
    skip_blanks();
    if (!frame.loop.problem.empty()) {
        reporter_.error(word, fmt::format("{}; the line is ignored", frame.loop.problem));
        skip_line();
        return;
    }
    frame.file = now_.file;
    frame.line = now_.line;
    std::string text;
    while (!at_end() && !at_line_break()) {
        text += peek();
        frame.columns.push_back(now_.column);
        advance();
    }
    frame.columns.push_back(now_.column);
    frame.owner = std::make_shared<const std::string>(std::move(text));
    frame.text = *frame.owner;
    frame.position = frame.text.size();
    for (const auto& variable : frame.loop.variables)
        frame.shadowed.push_back(definitions_.value(variable));
    if (!may_push(word, 1)) return;
    push(std::move(frame));
    line_start_ = false;  // next_turn() begins the first
}

/// The next turn of the loop at hand; false: there is none, and its variables are as before it.
bool Lexer::next_turn() {
    Frame& loop = now_;
    const auto& variables = loop.loop.variables;
    const bool more =
        loop.turn < loop.loop.values.size() && may_push(begin_word(), loop.text.size() + 1);
    for (std::size_t at = 0; at < variables.size(); ++at) {
        if (more)
            definitions_.set(variables[at], loop.loop.values[loop.turn][at]);
        else if (loop.shadowed[at])
            definitions_.set(variables[at], *loop.shadowed[at]);
        else
            definitions_.erase(variables[at]);
    }
    if (!more) return false;
    ++loop.turn;
    loop.position = 0;
    loop.column = loop.columns.front();
    line_start_ = true;
    return true;
}

/// At the end of a frame: what comes next is another turn, or what the frame interrupted. True: a
/// line has ended by that.
bool Lexer::end_frame() {
    const bool ends_line = now_.kind != Frame::Kind::Expansion;
    if (now_.kind == Frame::Kind::Loop && next_turn()) return true;
    now_ = std::move(below_.back());
    below_.pop_back();
    line_start_ = false;
    return ends_line;
}

/// The length of `include` or one of its strict variants, if the line begins with it.
std::size_t Lexer::include_keyword() const {
    const std::string_view line = rest().substr(0, 16);
    if (!line.starts_with("include")) return 0;
    constexpr std::string_view kVariants = "rmwba";
    std::size_t length = std::string_view("include").size();
    if (line.size() > length && kVariants.find(line[length]) != std::string_view::npos) ++length;
    return line.size() > length && is_blank(line[length]) ? length : 0;
}

bool Lexer::includes_itself(const std::string& path) const {
    const auto is = [&](const Frame& frame) {
        return frame.kind == Frame::Kind::File && reporter_.file_name(frame.file) == path;
    };
    return is(now_) || std::ranges::any_of(below_, is);
}

void Lexer::include(std::size_t keyword) {
    const char variant = keyword > 7 ? peek(7) : '\0';
    const auto strict = [&](char what) {
        return variant == what || variant == 'a' ||
               (variant == '\0' && include_check_.find(what) != std::string::npos);
    };
    Word word = begin_word();
    word.text = std::string(rest().substr(0, keyword));
    word.length = static_cast<std::uint32_t>(keyword);
    advance(keyword);
    skip_blanks();
    Word pattern = begin_word();
    pattern.text = definitions_.expanded(definition_line());
    pattern.length = now_.column > pattern.column ? now_.column - pattern.column : 1;
    if (pattern.text.size() > 1 && pattern.text.front() == '"' && pattern.text.back() == '"')
        pattern.text = pattern.text.substr(1, pattern.text.size() - 2);
    if (pattern.text.empty()) {
        reporter_.error(word, fmt::format("{} needs a file; ignored", quoted(word.text)));
        return;
    }
    if (!sources_.include) {
        reporter_.error(word, "nothing can be included here; ignored");
        return;
    }
    IncludeAnswer answer =
        sources_.include(pattern.text, directory_of(reporter_.file_name(now_.file)));
    const auto say = [&](bool error, std::string message) {
        if (error)
            reporter_.error(pattern, std::move(message));
        else
            reporter_.warning(pattern, std::move(message));
    };
    if (answer.files.empty())
        say(strict('m') || (answer.wildcards && strict('w')),
            fmt::format("{} matches no file", quoted(pattern.text)));
    else
        for (const auto& part : answer.unmatched)
            say(strict('b'), fmt::format("{} matches no file", quoted(part)));
    for (auto file = answer.files.rbegin(); file != answer.files.rend(); ++file) {
        if (!file->problem.empty()) {
            say(strict('r'), fmt::format("{} is not read: {}", quoted(file->path), file->problem));
        } else if (includes_itself(file->path)) {
            reporter_.error(pattern,
                            fmt::format("{} includes itself; ignored", quoted(file->path)));
        } else if (++included_ > kMaxIncluded) {
            if (included_ == kMaxIncluded + 1)
                reporter_.error(
                    pattern,
                    fmt::format("more than {} included files; the rest is ignored", kMaxIncluded));
        } else if (may_push(pattern, file->text.size() + 1)) {
            Frame frame;
            frame.owner = std::make_shared<const std::string>(std::move(file->text));
            frame.text = without_bom(*frame.owner);
            frame.file = reporter_.add_file(frame.owner, file->path);
            push(std::move(frame));
        }
    }
}

std::optional<std::string> Lexer::predefined(std::string_view words) {
    std::vector<std::string> parts;
    while (!words.empty()) {
        const std::size_t end = std::min(words.find(' '), words.size());
        if (end > 0) parts.emplace_back(words.substr(0, end));
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    const std::string& name = parts.front();
    if (name == "_HASH") return "#";
    if (name == "_BANG") return "!";
    if (name == "_PWD")
        return now_.file == 0 && !sources_.directory.empty()
                   ? sources_.directory
                   : directory_of(reporter_.file_name(now_.file));
    if (name == "_INSTANCE") return instance_;
    if (name == "_ENV" && parts.size() == 2)
        return sources_.variable ? sources_.variable(parts[1]).value_or("") : "";
    if (name == "_RANDOM") {
        const auto bound = [&](std::size_t at, std::uint32_t otherwise) {
            if (parts.size() <= at) return otherwise;
            return static_cast<std::uint32_t>(std::strtoul(parts[at].c_str(), nullptr, 10));
        };
        const std::uint32_t low = bound(1, 0);
        const std::uint32_t high = std::max(low, bound(2, 32767));
        random_ = random_ * 1103515245U + 12345U;
        const std::uint64_t span = std::uint64_t{high} - low + 1;
        return std::to_string(low + (random_ >> 1U) % span);
    }
    return std::nullopt;
}

void Lexer::skip_blanks() {
    while (!at_end() && is_blank(peek())) advance();
}

/// `$NAME=value`, the value over several lines if each but the last ends in a backslash.
void Lexer::define(std::size_t length) {
    const std::string name(now_.text.substr(now_.position + 1, length));
    advance(length + 2);
    std::string value = definition_line();
    while (value.ends_with('\\') && !at_end()) {
        value.pop_back();
        if (peek() == '\r') advance();
        if (!at_end()) advance();
        value += '\n' + definition_line();
    }
    definitions_.set(name, std::move(value));
}

/// The rest of the line without its comment and the blanks around it.
std::string Lexer::definition_line() {
    skip_blanks();
    std::string line = take_line().text;
    while (!line.empty() && is_blank(line.back())) line.pop_back();
    bool in_quotes = false;
    for (std::size_t at = 0; at < line.size(); ++at) {
        if (line[at] == '"') in_quotes = !in_quotes;
        if (in_quotes || (line[at] != '#' && line[at] != '!')) continue;
        const bool goes_on = line.back() == '\\';
        line.erase(at);
        if (goes_on) line += '\\';
        break;
    }
    while (!line.empty() && is_blank(line.back())) line.pop_back();
    return line;
}

/// `@id`, `@^id`; false: the line is not for this configuration id, and has been skipped.
bool Lexer::conditional_line() {
    Word word = begin_word();
    advance();
    const bool negated = peek() == '^';
    if (negated) advance();
    const std::size_t begin = now_.position;
    while (!at_end() && !is_blank(peek()) && !at_line_break()) advance();
    const std::string id =
        definitions_.expanded(std::string(now_.text.substr(begin, now_.position - begin)));
    word.length = now_.column - word.column;
    if (id.empty()) {
        word.text = negated ? "@^" : "@";
        reporter_.error(word, "'@' needs a configuration id; the line is ignored");
        skip_line();
        return false;
    }
    if ((id == config_id_) != negated) return true;
    skip_line();
    return false;
}

Token Lexer::brace(TokenKind kind) {
    Token token{kind, begin_word()};
    token.word.text = std::string(1, peek());
    advance();
    statement_start_ = true;
    mode_ = Mode::Plain;
    return token;
}

Token Lexer::end_of_line() {
    statement_start_ = true;
    mode_ = Mode::Plain;
    return {TokenKind::EndOfLine, begin_word()};
}

Token Lexer::next() {
    for (;;) {
        if (line_start_) start_line();
        if (at_end() && !below_.empty()) {
            if (end_frame()) return end_of_line();
            continue;
        }
        if (at_end()) {
            Token token{TokenKind::EndOfText, begin_word()};
            return token;
        }
        if (line_start_) continue;  // a frame has just begun
        const char c = peek();
        if (c == '\n') {
            Token token = end_of_line();
            advance();
            line_start_ = true;
            return token;
        }
        if (is_blank(c) || c == '\r') {
            advance();
        } else if (c == '#' || c == '!') {
            skip_line();
        } else if (c == '\\' && at_line_break(1)) {  // the statement goes on in the next line
            advance();
            if (peek() == '\r') advance();
            if (!at_end()) advance();
        } else if (c == '{') {
            return brace(TokenKind::Open);
        } else if (c == '}') {
            return brace(TokenKind::Close);
        } else {
            Token token{TokenKind::Word, mode_ == Mode::Script ? script_word() : plain_word()};
            if (statement_start_) {
                statement_start_ = false;
                if (takes_script(token.word.text)) mode_ = Mode::Script;
            }
            return token;
        }
    }
}

/// A quote without its end takes the rest of the line.
void Lexer::unterminated(Word& word) {
    word.length = now_.column - word.column;
    reporter_.error(word, "this quote has no end on its line");
}

Word Lexer::plain_word() {
    Word word = begin_word();
    if (peek() == '"') {
        word.quoted = true;
        advance();
        const std::size_t begin = now_.position;
        while (!at_end() && !at_line_break() && peek() != '"') advance();
        word.text = std::string(now_.text.substr(begin, now_.position - begin));
        if (peek() == '"' && !at_end())
            advance();
        else
            unterminated(word);
        word.length = std::max(now_.column - word.column, 1U);
        return word;
    }
    bool in_reference = false;  // ${NAME}
    while (!at_end() && !at_line_break() && !is_blank(peek())) {
        const char c = peek();
        if (c == '"' || c == '#' || c == '!') break;
        if ((c == '{' || c == '}')) {
            if (c == '{' && word.text.ends_with('$'))
                in_reference = true;
            else if (c == '}' && in_reference)
                in_reference = false;
            else
                break;
        }
        if (c == '\\' && at_line_break(1)) break;
        if (c == '\\' && (peek(1) == '#' || peek(1) == '!')) advance();
        word.text += peek();
        advance();
    }
    word.length = std::max(now_.column - word.column, 1U);
    return word;
}

Word Lexer::script_word() {
    Word word = begin_word();
    char quote = '\0';
    while (!at_end() && !at_line_break()) {
        const char c = peek();
        if (quote != '\0') {
            if (c == quote) {
                quote = '\0';
                advance();
                continue;
            }
            if (c == '\\' && peek(1) == quote) advance();
        } else {
            if (is_blank(c) || c == '#' || c == '!') break;
            if (c == '{' && !word.text.ends_with('$')) break;
            if (c == '}' && word.text.find("${") == std::string::npos) break;
            if (c == '"' || c == '\'') {
                quote = c;
                word.quoted = true;
                advance();
                continue;
            }
            if (c == '\\' && at_line_break(1)) break;
            if (c == '\\' && (peek(1) == '#' || peek(1) == '!')) advance();
        }
        word.text += peek();
        advance();
    }
    if (quote != '\0') unterminated(word);
    word.length = std::max(now_.column - word.column, 1U);
    return word;
}

}  // namespace vipd::config

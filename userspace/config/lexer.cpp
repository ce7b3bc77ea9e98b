// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/lexer.hpp"

#include "userspace/config/keywords.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::config {

namespace {

// A longer name defines nothing; this bounds the look ahead.
constexpr std::size_t kMaxDefinition = 256;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

}  // namespace

Lexer::Lexer(std::string_view text, std::string_view config_id, Reporter& reporter)
    : text_(text), config_id_(config_id), reporter_(reporter) {}

bool Lexer::at_line_break(std::size_t ahead) const {
    const std::size_t at = position_ + ahead;
    if (at >= text_.size()) return false;
    if (text_[at] == '\n') return true;
    return text_[at] == '\r' && (at + 1 == text_.size() || text_[at + 1] == '\n');
}

void Lexer::advance() {
    const auto byte = static_cast<unsigned char>(text_[position_++]);
    if (outer_) {
        column_ = expansion_.columns[position_];
    } else if (byte == '\n') {
        ++line_;
        column_ = 1;
    } else if ((byte & 0xc0U) != 0x80U) {  // a continuation byte belongs to the character before
        ++column_;
    }
}

/// From here to the end of the line the words come from the line with its references replaced.
void Lexer::enter_expansion() {
    if (outer_) return;  // replaced already
    const std::size_t begin = position_;
    std::size_t end = text_.find('\n', begin);
    if (end == std::string_view::npos) end = text_.size();
    if (end > begin && text_[end - 1] == '\r') --end;
    if (!definitions_.refers(text_.substr(begin, end - begin))) return;
    expansion_ = definitions_.expand(text_.substr(begin, end - begin), column_);
    outer_ = Outer{text_, end, expansion_.columns.back()};
    text_ = expansion_.text;
    position_ = 0;
}

void Lexer::leave_expansion() {
    text_ = outer_->text;
    position_ = outer_->position;
    column_ = outer_->column;
    outer_.reset();
}

void Lexer::skip_line() {
    while (!at_end() && !at_line_break()) advance();
}

Word Lexer::begin_word() const {
    Word word;
    word.line = line_;
    word.column = column_;
    return word;
}

/// The rest of the line as one word.
Word Lexer::take_line() {
    Word word = begin_word();
    const std::size_t begin = position_;
    skip_line();
    word.text = std::string(text_.substr(begin, position_ - begin));
    word.length = std::max(column_ - word.column, 1U);
    return word;
}

/// What only the beginning of a line can be: `@id`, `$NAME=value`, `~SEQ(...)`, `~LST(...)`.
void Lexer::start_line() {
    line_start_ = false;
    skip_blanks();
    if (peek() == '@') {
        conditional_line();
        skip_blanks();
    }
    if (peek() == '$') {
        const std::size_t length = Definitions::defines(text_.substr(position_, kMaxDefinition));
        if (length > 0) {
            define(length);
            return;
        }
    }
    const std::string_view loop = text_.substr(position_, 4);
    if (loop == "~SEQ" || loop == "~LST")
        skip_loop();
    else
        enter_expansion();
}

/// A line that is to be repeated, and the block that it opens.
void Lexer::skip_loop() {
    Word line = take_line();
    line.length = 4;
    std::size_t open = 0;
    // Braces in the loop's own parentheses are not those of a block.
    for (std::size_t at = line.text.rfind(')'); at < line.text.size(); ++at) {
        if (line.text[at] == '{' && line.text[at - 1] != '$') ++open;
        if (line.text[at] == '}' && open > 0) --open;
    }
    reporter_.warning(line,
                      fmt::format("'{}' is not done by vipd yet; {} is ignored",
                                  line.text.substr(0, 4),
                                  open > 0 ? "the block" : "the line"));
    for (; open > 0 && !at_end(); advance()) {
        if (peek() == '#' || peek() == '!') skip_line();
        if (at_end()) break;
        if (peek() == '{') ++open;
        if (peek() == '}') --open;
    }
}

void Lexer::skip_blanks() {
    while (!at_end() && is_blank(peek())) advance();
}

/// `$NAME=value`, the value over several lines if each but the last ends in a backslash.
void Lexer::define(std::size_t length) {
    const std::string name(text_.substr(position_ + 1, length));
    for (std::size_t at = 0; at < length + 2; ++at) advance();
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

void Lexer::conditional_line() {
    Word word = begin_word();
    advance();
    const bool negated = peek() == '^';
    if (negated) advance();
    const std::size_t begin = position_;
    while (!at_end() && !is_blank(peek()) && !at_line_break()) advance();
    const std::string_view id = text_.substr(begin, position_ - begin);
    word.length = column_ - word.column;
    if (id.empty()) {
        word.text = negated ? "@^" : "@";
        reporter_.error(word, "'@' needs a configuration id; the line is ignored");
        skip_line();
    } else if ((id == config_id_) == negated) {
        skip_line();
    }
}

Token Lexer::brace(TokenKind kind) {
    Token token{kind, begin_word()};
    token.word.text = std::string(1, peek());
    advance();
    statement_start_ = true;
    mode_ = Mode::Plain;
    return token;
}

Token Lexer::next() {
    for (;;) {
        if (line_start_) start_line();
        if (at_end() && outer_) {
            leave_expansion();
            continue;
        }
        if (at_end()) {
            Token token{TokenKind::EndOfText, begin_word()};
            return token;
        }
        const char c = peek();
        if (c == '\n') {
            Token token{TokenKind::EndOfLine, begin_word()};
            advance();
            line_start_ = true;
            statement_start_ = true;
            mode_ = Mode::Plain;
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
        } else if (mode_ != Mode::Raw && c == '{') {
            return brace(TokenKind::Open);
        } else if (mode_ != Mode::Raw && c == '}') {
            return brace(TokenKind::Close);
        } else {
            Token token{TokenKind::Word, mode_ == Mode::Script ? script_word() : plain_word()};
            if (statement_start_) {
                statement_start_ = false;
                if (takes_script(token.word.text))
                    mode_ = Mode::Script;
                else if (token.word.text.starts_with("include"))
                    mode_ = Mode::Raw;
            }
            return token;
        }
    }
}

/// A quote without its end takes the rest of the line.
void Lexer::unterminated(Word& word) {
    word.length = column_ - word.column;
    reporter_.error(word, "this quote has no end on its line");
}

Word Lexer::plain_word() {
    Word word = begin_word();
    if (peek() == '"') {
        word.quoted = true;
        advance();
        const std::size_t begin = position_;
        while (!at_end() && !at_line_break() && peek() != '"') advance();
        word.text = std::string(text_.substr(begin, position_ - begin));
        if (peek() == '"' && !at_end())
            advance();
        else
            unterminated(word);
        word.length = std::max(column_ - word.column, 1U);
        return word;
    }
    bool in_reference = false;  // ${NAME}
    while (!at_end() && !at_line_break() && !is_blank(peek())) {
        const char c = peek();
        if (c == '"' || c == '#' || c == '!') break;
        if (mode_ != Mode::Raw && (c == '{' || c == '}')) {
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
    word.length = std::max(column_ - word.column, 1U);
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
    word.length = std::max(column_ - word.column, 1U);
    return word;
}

}  // namespace vipd::config

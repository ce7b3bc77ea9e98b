// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/lexer.hpp"

#include "userspace/config/keywords.hpp"

namespace vipd::config {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_name(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9');
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
    if (byte == '\n') {
        ++line_;
        column_ = 1;
    } else if ((byte & 0xc0U) != 0x80U) {  // a continuation byte belongs to the character before
        ++column_;
    }
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
    word.length = column_ - word.column;
    return word;
}

/// What only the beginning of a line can be: `@id`, `$NAME=value`, `~SEQ(...)`, `~LST(...)`.
void Lexer::start_line() {
    line_start_ = false;
    while (is_blank(peek()) && !at_end()) advance();
    if (peek() == '@') {
        conditional_line();
    } else if (peek() == '$' && is_name_start(peek(1))) {
        std::size_t end = 1;
        while (is_name(peek(end))) ++end;
        if (peek(end) != '=') return;
        // The value may go on over several lines, each but the last ending in a backslash.
        Word line = take_line();
        line.length = static_cast<std::uint32_t>(end);
        while (!line.text.empty() && line.text.back() == '\\' && !at_end()) {
            while (at_line_break() && peek() == '\r') advance();
            if (!at_end()) advance();
            line.text = take_line().text;
        }
        reporter_.warning(line, "definitions ($NAME=value) are not done by vipd yet; ignored");
    } else if (peek() == '~' &&
               (text_.substr(position_, 4) == "~SEQ" || text_.substr(position_, 4) == "~LST")) {
        Word line = take_line();
        line.length = 4;
        reporter_.warning(
            line, "'" + line.text.substr(0, 4) + "' is not done by vipd yet; the line is ignored");
    }
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
        word.length = column_ - word.column;
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
    word.length = column_ - word.column;
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
    word.length = column_ - word.column;
    return word;
}

}  // namespace vipd::config

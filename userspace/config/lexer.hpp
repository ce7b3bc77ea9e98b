// SPDX-License-Identifier: Apache-2.0
// keepalived.conf as words, braces and line ends. Comments (`!`, `#`) and lines that `@id` excludes
// are gone; every word knows its place. Linear in the text, no limit on the length of a line.
#pragma once

#include "userspace/config/definitions.hpp"
#include "userspace/config/reporter.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vipd::config {

enum class TokenKind : std::uint8_t { Word, Open, Close, EndOfLine, EndOfText };

struct Token {
    TokenKind kind = TokenKind::EndOfText;
    Word word;  ///< Word: the text without its quotes; Open and Close: the place
};

class Lexer {
  public:
    /// `text` and `reporter` outlive the lexer. Lines `@id ...` count if id is `config_id`.
    Lexer(std::string_view text, std::string_view config_id, Reporter& reporter);

    Token next();

  private:
    /// How the words of the statement at hand are read; its first word decides.
    enum class Mode : std::uint8_t {
        Plain,   ///< "..." is a word
        Script,  ///< '...' too, and quotes may begin inside a word
        Raw,     ///< braces belong to the word (include)
    };

    bool at_end() const { return position_ >= text_.size(); }
    char peek(std::size_t ahead = 0) const {
        return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
    }
    bool at_line_break(std::size_t ahead = 0) const;  ///< "\n", "\r\n" or "\r" at the end
    void advance();                                   ///< one byte
    void skip_line();                                 ///< up to the line break
    Word begin_word() const;
    Word take_line();
    void start_line();
    void skip_blanks();
    void skip_loop();
    void define(std::size_t length);
    std::string definition_line();
    void enter_expansion();
    void leave_expansion();
    void conditional_line();
    Word plain_word();
    Word script_word();
    void unterminated(Word& word);
    Token brace(TokenKind kind);

    /// Where the file goes on after a line whose references were replaced.
    struct Outer {
        std::string_view text;
        std::size_t position;
        std::uint32_t column;
    };

    std::string_view text_;
    Definitions definitions_;
    Expansion expansion_;
    std::optional<Outer> outer_;
    std::string_view config_id_;
    Reporter& reporter_;
    std::size_t position_ = 0;
    std::uint32_t line_ = 1;
    std::uint32_t column_ = 1;
    bool line_start_ = true;
    bool statement_start_ = true;
    Mode mode_ = Mode::Plain;
};

}  // namespace vipd::config

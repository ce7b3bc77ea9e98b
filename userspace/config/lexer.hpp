// SPDX-License-Identifier: Apache-2.0
// keepalived.conf as words, braces and line ends. Comments (`!`, `#`), lines that `@id` excludes,
// definitions, loops and includes are dealt with; every word knows its place in the file that it
// was written in. Linear in what it reads, no limit on the length of a line.
#pragma once

#include "userspace/config/definitions.hpp"
#include "userspace/config/reporter.hpp"
#include "userspace/config/sources.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::config {

enum class TokenKind : std::uint8_t { Word, Open, Close, EndOfLine, EndOfText };

struct Token {
    TokenKind kind = TokenKind::EndOfText;
    Word word;  ///< Word: the text without its quotes; Open and Close: the place
};

class Lexer {
  public:
    /// `text`, `sources` and `reporter` outlive the lexer. Lines `@id ...` count if id is
    /// `config_id`.
    Lexer(std::string_view text,
          std::string_view config_id,
          const Sources& sources,
          Reporter& reporter);

    Lexer(const Lexer&) = delete;
    Lexer& operator=(const Lexer&) = delete;

    Token next();

    /// include_check: what plain `include` insists on, one of "rmwb" each.
    void set_include_check(std::string checks) { include_check_ = std::move(checks); }
    const std::string& include_check() const { return include_check_; }

    /// What ${_INSTANCE} stands for from now on.
    void set_instance(std::string_view name) { instance_ = name; }
    /// random_seed of global_defs.
    void set_seed(std::uint32_t seed) { random_ = seed; }

  private:
    /// How the words of the statement at hand are read; its first word decides.
    enum class Mode : std::uint8_t {
        Plain,   ///< "..." is a word
        Script,  ///< '...' too, and quotes may begin inside a word
    };

    /// Text that stands in the place of a line: a file of an include, a line whose references were
    /// replaced, the turns of a loop. Below it waits what it interrupted.
    struct Frame {
        enum class Kind : std::uint8_t { File, Expansion, Loop } kind = Kind::File;
        std::shared_ptr<const std::string> owner;
        std::string_view text;
        std::size_t position = 0;
        std::uint32_t file = 0;
        std::uint32_t line = 1;
        std::uint32_t column = 1;
        std::vector<std::uint32_t> columns;  ///< Expansion, Loop: of each byte, and of the end
        Loop loop;
        std::size_t turn = 0;
        std::vector<std::optional<std::string>> shadowed;  ///< what the loop's variables were
    };

    bool at_end() const { return now_.position >= now_.text.size(); }
    char peek(std::size_t ahead = 0) const {
        return now_.position + ahead < now_.text.size() ? now_.text[now_.position + ahead] : '\0';
    }
    std::string_view rest() const { return now_.text.substr(now_.position); }
    std::string_view rest_of_line() const;
    bool at_line_break(std::size_t ahead = 0) const;  ///< "\n", "\r\n" or "\r" at the end
    void advance();                                   ///< one byte
    void advance(std::size_t bytes);
    void skip_line();  ///< up to the line break
    Word begin_word() const;
    Word take_line();
    void start_line();
    void skip_blanks();
    void define(std::size_t length);
    std::string definition_line();
    bool conditional_line();
    bool may_push(const Word& word, std::size_t bytes);
    void push(Frame frame);
    bool expand_line();
    void begin_loop(std::size_t head);
    bool next_turn();
    bool end_frame();
    std::size_t include_keyword() const;
    void include(std::size_t keyword);
    bool includes_itself(const std::string& path) const;
    std::optional<std::string> predefined(std::string_view words);
    Word plain_word();
    Word script_word();
    void unterminated(Word& word);
    Token brace(TokenKind kind);
    Token end_of_line();

    Frame now_;
    std::vector<Frame> below_;
    Definitions definitions_;
    std::string_view config_id_;
    const Sources& sources_;
    Reporter& reporter_;
    std::string instance_;
    std::string include_check_;
    std::uint32_t random_;
    std::size_t budget_;        ///< bytes that all expansions may still add
    std::size_t included_ = 0;  ///< files so far
    bool budget_reported_ = false;
    bool line_start_ = true;
    bool statement_start_ = true;
    Mode mode_ = Mode::Plain;
};

}  // namespace vipd::config

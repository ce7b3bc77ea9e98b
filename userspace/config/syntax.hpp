// SPDX-License-Identifier: Apache-2.0
// The file as a tree of statements, checked against the keyword table: what stands in it is known,
// in its place, with as many values as it needs. All else has been reported and left out.
#pragma once

#include "userspace/config/keywords.hpp"
#include "userspace/config/lexer.hpp"

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::config {

struct Statement {
    const Keyword* keyword = nullptr;  ///< nullptr: a line of a List block
    std::vector<Word> words;           ///< words[0] is the keyword, or the line's first value
    std::vector<Statement> body;

    const Word& head() const { return words.front(); }
    std::size_t values() const { return words.size() - 1; }
    const Word& value(std::size_t index = 0) const { return words[index + 1]; }
};

/// Reads one file. Braces may stand anywhere; a missing or an extra one is reported and costs as
/// little of the file as possible. Depth is limited by the table: unknown blocks do not nest.
class SyntaxReader {
  public:
    SyntaxReader(std::string_view text,
                 std::string_view config_id,
                 const Sources& sources,
                 Reporter& reporter);

    /// Hands each statement of the root to `take` as soon as it is whole: no more than one block is
    /// held at a time.
    void read(const std::function<void(const Statement&)>& take);

  private:
    Token& peek();
    Token take();
    bool block_follows();
    std::vector<Word> read_words();
    void to_lexer(const Statement& statement);
    void read_body(Block block, const Word& opener, bool quiet, std::vector<Statement>& out);
    void statement(Block block,
                   const Word& opener,
                   bool quiet,
                   std::vector<Statement>& out,
                   std::size_t& strays);
    void unknown(Block block, const Word& word, std::size_t& strays);
    std::string_view hint_for(Block block, const std::string& word);
    bool check_values(const Statement& statement);
    void skip_block();

    Lexer lexer_;
    std::function<void(const Statement&)> take_;
    std::size_t words_ = 0;  ///< of the block at hand
    bool too_large_ = false;
    Reporter& reporter_;
    std::deque<Token> ahead_;
    std::map<std::pair<Block, std::string>, std::string_view> hints_;
    /// A root block that began inside another: the blocks around it end here.
    std::vector<Word> unwinding_;
};

}  // namespace vipd::config

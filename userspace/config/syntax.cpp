// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/syntax.hpp"

#include "userspace/config/values.hpp"

#include <fmt/format.h>

#include <utility>

namespace vipd::config {

namespace {

// No statement of keepalived's has near as many; this bounds what a line of garbage costs.
constexpr std::size_t kMaxWords = 1000;
constexpr std::size_t kMaxHints = 100;
// Of one block of the root: a hundred times the largest that makes sense. It bounds memory.
constexpr std::size_t kMaxBlockWords = 2'000'000;

}  // namespace

SyntaxReader::SyntaxReader(std::string_view text,
                           std::string_view config_id,
                           const Sources& sources,
                           Reporter& reporter)
    : lexer_(text, config_id, sources, reporter), reporter_(reporter) {}

Token& SyntaxReader::peek() {
    if (ahead_.empty()) ahead_.push_back(lexer_.next());
    return ahead_.front();
}

Token SyntaxReader::take() {
    Token token = std::move(peek());
    ahead_.pop_front();
    return token;
}

/// After a statement: is the next thing, maybe some lines further, a `{`?
bool SyntaxReader::block_follows() {
    while (peek().kind == TokenKind::EndOfLine) take();
    return peek().kind == TokenKind::Open;
}

std::vector<Word> SyntaxReader::read_words() {
    std::vector<Word> words;
    while (peek().kind == TokenKind::Word) {
        Token token = take();
        if (++words_ > kMaxBlockWords) {
            if (!std::exchange(too_large_, true))
                reporter_.fatal(token.word, "this block is too large; reading stops here");
            continue;
        }
        if (words.size() < kMaxWords)
            words.push_back(std::move(token.word));
        else if (words.size() == kMaxWords) {
            reporter_.error(token.word, "too many words in one statement; the rest is ignored");
            words.push_back({});
        }
    }
    if (words.size() > kMaxWords) words.pop_back();
    return words;
}

void SyntaxReader::read(const std::function<void(const Statement&)>& take) {
    std::vector<Statement> statements;
    take_ = take;
    read_body(Block::Root, {}, false, statements);
}

/// What later lines are read by.
void SyntaxReader::to_lexer(const Statement& statement) {
    const std::string_view name = statement.head().text;
    if (name == "instance" && statement.values() > 0) lexer_.set_instance(statement.value().text);
    if (name == "random_seed" && statement.values() > 0)
        if (const auto seed = parse_unsigned(statement.value().text))
            lexer_.set_seed(static_cast<std::uint32_t>(*seed));
    if (name != "include_check") return;
    std::string checks = statement.values() > 0 ? "" : "rmwb";
    for (std::size_t at = 0; at < statement.values(); ++at) {
        std::string_view word = statement.value(at).text;
        const bool changes = word.starts_with('+') || word.starts_with('-');
        const bool off = word.starts_with('-');
        if (changes) {
            word.remove_prefix(1);
            if (at == 0) checks = lexer_.include_check();
        }
        const char check = word == "read" || word == "readable" ? 'r'
                           : word == "match"                    ? 'm'
                           : word == "wildcard_match"           ? 'w'
                           : word == "brace_match"              ? 'b'
                                                                : '\0';
        if (check == '\0')
            reporter_.error(statement.value(at),
                            fmt::format("unknown check {}; ignored", quoted(word)),
                            "readable, match, wildcard_match and brace_match are known");
        else if (off)
            std::erase(checks, check);
        else
            checks += check;
    }
    lexer_.set_include_check(std::move(checks));
}

/// Skips a `{` and all up to the `}` that belongs to it.
void SyntaxReader::skip_block() {
    const Word opener = take().word;
    for (std::size_t depth = 1; depth > 0;) {
        const Token token = take();
        if (token.kind == TokenKind::Open) ++depth;
        if (token.kind == TokenKind::Close) --depth;
        if (token.kind == TokenKind::EndOfText) {
            reporter_.error(opener, "this '{' has no '}'");
            return;
        }
    }
}

void SyntaxReader::read_body(Block block,
                             const Word& opener,
                             bool quiet,
                             std::vector<Statement>& out) {
    std::size_t strays = 0;  // braces that opened nothing
    for (;;) {
        if (!unwinding_.empty()) {
            if (block != Block::Root) return;
            statement(block, opener, quiet, out, strays);
            continue;
        }
        switch (peek().kind) {
            case TokenKind::EndOfLine:
                take();
                break;
            case TokenKind::EndOfText:
                if (block != Block::Root)
                    reporter_.error(
                        opener, fmt::format("the block of {} has no '}}'", quoted(opener.text)));
                return;
            case TokenKind::Close:
                if (strays > 0)
                    --strays;
                else if (block != Block::Root) {
                    take();
                    return;
                } else
                    reporter_.error(peek().word, "extra '}'; ignored");
                take();
                break;
            case TokenKind::Open:
                // keepalived reads the lines behind it as if it were not there.
                reporter_.error(peek().word, "unexpected '{'; the brace is ignored");
                ++strays;
                take();
                break;
            case TokenKind::Word:
                statement(block, opener, quiet, out, strays);
                break;
        }
    }
}

void SyntaxReader::statement(
    Block block, const Word& opener, bool quiet, std::vector<Statement>& out, std::size_t& strays) {
    Statement made;
    made.words = std::exchange(unwinding_, {});
    if (made.words.empty()) made.words = read_words();
    if (made.words.empty()) return;  // beyond the limit
    const Word& head = made.head();

    if (block != Block::Root && !head.quoted && only_at_root(head.text) && block_follows() &&
        head.column <= opener.column) {
        reporter_.error(
            head,
            fmt::format("missing '}}' before {}", quoted(head.text)),
            fmt::format(
                "the block of {} in line {} is still open", quoted(opener.text), opener.line));
        unwinding_ = std::move(made.words);
        return;
    }
    if (block == Block::List) {
        out.push_back(std::move(made));
        return;
    }
    const Keyword* keyword = head.quoted ? nullptr : find_keyword(block, head.text);
    if (keyword == nullptr) {
        unknown(block, head, strays);
        return;
    }
    made.keyword = keyword;
    const bool has_body = keyword->block != Block::None;
    if (!quiet && keyword->status == Status::NotYet)
        reporter_.warning(head,
                          fmt::format("{} is not done by vipd yet; {}ignored",
                                      quoted(head.text),
                                      has_body ? "its block is " : ""));
    if (!quiet && keyword->status == Status::NoEffect)
        reporter_.warning(head,
                          fmt::format("{} has no effect: {}", quoted(head.text), keyword->note));
    const bool skipped = quiet || keyword->status != Status::Done;
    const bool whole = check_values(made);
    if (has_body) {
        if (block_follows()) {
            take();
        } else {
            reporter_.error(head, fmt::format("missing '{{' after {}", quoted(head.text)));
            if (peek().kind == TokenKind::Close) return;
        }
        read_body(keyword->block, head, skipped, made.body);
    }
    if (!whole) return;
    if (block == Block::Root || block == Block::GlobalDefs) to_lexer(made);
    if (block != Block::Root) {
        out.push_back(std::move(made));
        return;
    }
    take_(made);
    words_ = 0;
}

/// A search takes a while; whoever mistypes more words than this is not looking for a hint.
std::string_view SyntaxReader::hint_for(Block block, const std::string& word) {
    const auto known = hints_.find({block, word});
    if (known != hints_.end()) return known->second;
    if (hints_.size() >= kMaxHints) return {};
    return hints_.emplace(std::pair(block, word), nearest_keyword(block, word)).first->second;
}

void SyntaxReader::unknown(Block block, const Word& word, std::size_t& strays) {
    const bool braces = block_follows();
    if (reporter_.full()) {  // only counted: no time for hints
        reporter_.error(word, {});
        if (braces) skip_block();
        return;
    }
    const auto homes = homes_of(word.text);
    if (!homes.empty()) {
        std::string where;
        for (std::size_t i = 0; i < homes.size() && i < 3; ++i)
            where += (i == 0                                            ? ""
                      : i + 1 == std::min<std::size_t>(homes.size(), 3) ? " or "
                                                                        : ", ") +
                     std::string(homes[i]);
        reporter_.error(word,
                        fmt::format("keyword {} cannot stand in {}{}",
                                    quoted(word.text),
                                    name_of(block),
                                    braces ? "; its block is ignored" : ""),
                        fmt::format("it belongs in {}", where));
        if (braces) skip_block();
        return;
    }
    const std::string_view near = hint_for(block, word.text);
    const std::string hint = near.empty() ? "" : fmt::format("did you mean '{}'?", near);
    const Keyword* meant = near.empty() ? nullptr : find_keyword(block, near);
    if (braces && meant != nullptr && meant->block != Block::None) {
        reporter_.error(
            word, fmt::format("unknown keyword {}; its block is ignored", quoted(word.text)), hint);
        skip_block();
        return;
    }
    reporter_.error(word, fmt::format("unknown keyword {}", quoted(word.text)), hint);
    if (braces) {
        reporter_.error(peek().word,
                        "unexpected '{' after an unknown keyword; the lines of the block are read "
                        "as if they stood outside it");
        take();
        ++strays;
    }
}

/// Too few values: an error, the statement does not count. Too many: the rest is ignored.
bool SyntaxReader::check_values(const Statement& statement) {
    const Keyword& keyword = *statement.keyword;
    if (statement.values() < keyword.least) {
        reporter_.error(
            statement.head(),
            fmt::format("{} needs {}; ignored",
                        quoted(statement.head().text),
                        keyword.block != Block::None ? "a name or an address"
                        : keyword.least == 1         ? "a value"
                                                     : fmt::format("{} values", keyword.least)));
        return false;
    }
    if (keyword.most != kAny && statement.values() > keyword.most) {
        const Word& extra = statement.value(keyword.most);
        reporter_.warning(extra,
                          fmt::format("extra word{} after {}; ignored",
                                      statement.values() - keyword.most > 1 ? "s" : "",
                                      quoted(statement.head().text)));
    }
    return true;
}

}  // namespace vipd::config

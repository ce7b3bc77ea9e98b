// SPDX-License-Identifier: Apache-2.0
// Collects diagnostics while files are read; knows their lines.
#pragma once

#include "userspace/config/config.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::config {

/// One word of the file and where it stands (columns and length in characters, quotes included).
struct Word {
    std::string text;
    std::uint32_t file = 0;  ///< as Reporter::add_file() counted it
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::uint32_t length = 1;
    bool quoted = false;
};

class Reporter {
  public:
    /// More than these are counted, not kept; a file of garbage stays cheap.
    static constexpr std::size_t kMaxDiagnostics = 1000;

    Reporter(std::string_view text, std::string name) {
        add_file(std::make_shared<const std::string>(text), std::move(name));
    }

    /// Another file, which an include brought in: its number.
    std::uint32_t add_file(std::shared_ptr<const std::string> text, std::string name);

    /// The name of the file `number`.
    const std::string& file_name(std::uint32_t number) const { return files_[number]->name(); }

    Location at(const Word& word) const { return {files_[word.file], word.line, word.column}; }

    /// vipd's own remark; keepalived has none, the exit status stays.
    void warning(const Word& word, std::string message, std::string hint = {});
    /// A warning that keepalived gives too: exit status 5.
    void complaint(const Word& word, std::string message, std::string hint = {});
    void error(const Word& word, std::string message, std::string hint = {});
    void security(const Word& word, std::string message, std::string hint = {});
    void fatal(const Word& word, std::string message, std::string hint = {});

    /// The word at a place that a value kept; only its line, column and length.
    Word word_at(const Location& place) const;

    /// True once new diagnostics are only counted: no need to look for a hint.
    bool full() const { return diagnostics_.size() >= kMaxDiagnostics; }

    /// All of them in the order of files and lines, with a last one that says how many were left
    /// out.
    std::vector<Diagnostic> take();

  private:
    void add(
        Severity severity, bool shared, const Word& word, std::string message, std::string hint);
    std::uint32_t number_of(const Location& place) const;

    std::vector<std::shared_ptr<const SourceFile>> files_;
    std::vector<Diagnostic> diagnostics_;
    std::size_t left_out_ = 0;
    int worst_ = -1;  ///< the gravest kept, so that none graver is left out
};

/// A word as it goes into a message: quoted, control characters escaped, cut if long.
std::string quoted(std::string_view text);

}  // namespace vipd::config

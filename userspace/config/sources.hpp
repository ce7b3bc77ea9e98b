// SPDX-License-Identifier: Apache-2.0
// What parse() may ask for beyond the text of its file: included files, variables of the
// environment, chance. A Record keeps the answers, so that other processes parse the same text.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vipd::config {

struct IncludedFile {
    std::string path;
    std::string text;
    std::string problem;  ///< why there is no text; empty: there is
};

/// What a pattern of `include` stands for.
struct IncludeAnswer {
    std::vector<IncludedFile> files;     ///< in the order in which they are to be read
    std::vector<std::string> unmatched;  ///< alternatives of {a,b} without any file
    bool wildcards = false;              ///< the pattern has any of * ? [
};

/// A file that holds a key.
struct KeyFile {
    std::string text;
    std::string problem;       ///< why there is no text; empty: there is
    bool open_to_all = false;  ///< its group or everybody may read it
};

struct Sources {
    /// The files of a pattern; a relative one begins at `directory`. Absent: include is an error.
    std::function<IncludeAnswer(const std::string& pattern, const std::string& directory)> include;
    /// ${_ENV NAME}. Absent: no variable is set.
    std::function<std::optional<std::string>(const std::string& name)> variable;
    /// The file of `key ID file:PATH`. Absent: keys in files are left empty.
    std::function<KeyFile(const std::string& path)> key_file;
    /// What plain `include` insists on: one of "rmwb" (readable, match, wildcard, brace) each.
    std::string include_check;
    /// Where ${_RANDOM} begins.
    std::uint32_t seed = 0;
    /// ${_PWD} of the file itself; empty: as its name says.
    std::string directory;
};

/// The text of a file and every answer that was needed to parse it, in the order of asking.
class Record {
  public:
    explicit Record(std::string text) : text_(std::move(text)) {}

    const std::string& text() const { return text_; }

    /// `sources`, whose answers are kept here from now on. The Record outlives them.
    Sources listen(Sources sources);
    /// The answers that were kept, in their order; others are not known.
    Sources replay() const;

    std::string encode() const;
    /// Bytes of another kind are the text of a file that asks for nothing; nothing where those of
    /// encode() are damaged.
    static std::optional<Record> decode(std::string_view bytes);

  private:
    std::string text_;
    std::string directory_;
    std::string include_check_;
    std::uint32_t seed_ = 0;
    std::vector<IncludeAnswer> includes_;
    std::vector<std::optional<std::string>> variables_;
    std::vector<KeyFile> key_files_;
};

}  // namespace vipd::config

// SPDX-License-Identifier: Apache-2.0
// Tables for a terminal: columns as wide as they need to be, fewer of them where there is no room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::vipctl {

/// How to draw: what the terminal can show.
struct Screen {
    std::size_t width = 0;  ///< columns; 0: no limit (not a terminal)
    bool color = false;
};

enum class Color : std::uint8_t { None, Good, Bad, Warn, Bold };

/// `text` in a colour where the screen has any.
std::string paint(const Screen& screen, Color color, std::string_view text);

/// Columns that `text` takes on a terminal: its characters, not its bytes.
std::size_t columns(std::string_view text);

/// `text` in at most `width` columns; what is cut ends in "...".
std::string cut(std::string_view text, std::size_t width);

struct Column {
    std::string title;
    bool right = false;      ///< numbers
    std::uint8_t spare = 0;  ///< > 0: may be left out, the highest first
};

struct Cell {
    std::string text;
    Color color = Color::None;
};

class Table {
  public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    /// A row; missing cells at its end are empty.
    void add(std::vector<Cell> row);
    bool empty() const { return rows_.empty(); }
    /// Titles and rows, each line ended by a newline, none ending in blanks. Too wide for the
    /// screen: spare columns go first, what is in the last column (often a sentence) goes to a line
    /// of its own, and only then lines are cut.
    std::string render(const Screen& screen) const;

  private:
    std::vector<bool> chosen(const std::vector<std::size_t>& widths, std::size_t limit) const;

    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

}  // namespace vipd::vipctl

// SPDX-License-Identifier: Apache-2.0
#include "tools/vipctl/table.hpp"

#include <algorithm>

namespace vipd::vipctl {
namespace {

constexpr std::size_t kGap = 1;
constexpr std::size_t kIndent = 6;  // of a last column's text on a line of its own

bool starts_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
}

}  // namespace

std::string paint(const Screen& screen, Color color, std::string_view text) {
    if (!screen.color || color == Color::None || text.empty()) return std::string(text);
    std::string_view code;
    switch (color) {
        case Color::Good:
            code = "\033[32m";
            break;
        case Color::Bad:
            code = "\033[1;31m";
            break;
        case Color::Warn:
            code = "\033[33m";
            break;
        default:
            code = "\033[1m";
            break;
    }
    return std::string(code) + std::string(text) + "\033[0m";
}

std::size_t columns(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, starts_character));
}

std::string cut(std::string_view text, std::size_t width) {
    if (columns(text) <= width) return std::string(text);
    constexpr std::string_view kDots = "...";
    const std::size_t keep = width > kDots.size() ? width - kDots.size() : 0;
    std::size_t taken = 0;
    std::size_t end = 0;
    for (; end < text.size(); ++end) {
        if (starts_character(text[end]) && taken++ == keep) break;
    }
    return std::string(text.substr(0, end)) + std::string(kDots.substr(0, width));
}

void Table::add(std::vector<Cell> row) {
    row.resize(columns_.size());
    rows_.push_back(std::move(row));
}

/// Which columns are shown: as few spare ones go as the limit asks for.
std::vector<bool> Table::chosen(const std::vector<std::size_t>& widths, std::size_t limit) const {
    std::vector<bool> shown(columns_.size(), true);
    if (limit == 0) return shown;
    for (;;) {
        std::size_t total = 0;
        std::size_t victim = columns_.size();
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (!shown[i]) continue;
            total += widths[i] + kGap;
            if (columns_[i].spare > 0 &&
                (victim == columns_.size() || columns_[i].spare > columns_[victim].spare))
                victim = i;
        }
        if (total <= limit + kGap || victim == columns_.size()) return shown;
        shown[victim] = false;
    }
}

std::string Table::render(const Screen& screen) const {
    std::vector<std::size_t> widths;
    widths.reserve(columns_.size());
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = columns(columns_[i].title);
        for (const auto& row : rows_) width = std::max(width, columns(row[i].text));
        widths.push_back(width);
    }
    // The last column may hold a sentence: it must not push others out.
    std::vector<std::size_t> needed = widths;
    if (!needed.empty()) needed.back() = columns(columns_.back().title);
    const auto shown = chosen(needed, screen.width);

    std::string out;
    const auto line = [&](auto cell_of, bool titles) {
        std::string text;
        std::string blanks;
        std::size_t at = 0;  // columns that text and blanks take
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (!shown[i]) continue;
            const Cell cell = cell_of(i);
            std::string value = cell.text;
            const std::size_t pad = widths[i] - columns(value);
            const bool last = i + 1 == columns_.size();
            if (last && !titles && screen.width > 0 && at > kIndent &&
                at + columns(value) > screen.width) {
                text += '\n';
                blanks.assign(kIndent, ' ');
                at = kIndent;
            }
            if (columns_[i].right) {
                blanks.append(pad, ' ');
                at += pad;
            }
            if (screen.width > 0) value = cut(value, screen.width > at ? screen.width - at : 0);
            const std::size_t taken = columns(value);
            if (!value.empty()) {
                text += blanks;
                blanks.clear();
                text += paint(screen, titles ? Color::Bold : cell.color, value);
            }
            const std::size_t after = (columns_[i].right ? 0 : widths[i] - taken) + kGap;
            blanks.append(after, ' ');
            at += taken + after;
        }
        out += text + '\n';
    };
    line([&](std::size_t i) { return Cell{columns_[i].title}; }, true);
    for (const auto& row : rows_) line([&](std::size_t i) { return row[i]; }, false);
    return out;
}

}  // namespace vipd::vipctl

// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/definitions.hpp"

namespace vipd::config {

namespace {

constexpr int kMaxDepth = 16;

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

std::size_t name_length(std::string_view text) {
    if (text.empty() || !is_name_start(text[0])) return 0;
    std::size_t length = 1;
    while (length < text.size() &&
           (is_name_start(text[length]) || (text[length] >= '0' && text[length] <= '9')))
        ++length;
    return length;
}

}  // namespace

std::size_t Definitions::defines(std::string_view line) {
    if (!line.starts_with('$')) return 0;
    const std::size_t length = name_length(line.substr(1));
    return length > 0 && line.substr(1 + length).starts_with('=') ? length : 0;
}

void Definitions::set(std::string_view name, std::string value) {
    values_.insert_or_assign(std::string(name), std::move(value));
}

Definitions::Reference Definitions::reference_at(std::string_view text, std::size_t position) {
    const std::string_view rest = text.substr(position + 1);
    const bool braced = rest.starts_with('{');
    const std::size_t length = name_length(rest.substr(braced ? 1 : 0));
    if (length == 0) return {};
    if (braced) {
        if (!rest.substr(1 + length).starts_with('}')) return {};
        return {rest.substr(1, length), length + 3};
    }
    constexpr std::string_view kAfter = " \t,)\r\n";
    if (rest.size() > length && kAfter.find(rest[length]) == std::string_view::npos) return {};
    return {rest.substr(0, length), length + 1};
}

bool Definitions::refers(std::string_view line) const {
    if (values_.empty()) return false;
    for (std::size_t at = line.find('$'); at != std::string_view::npos;
         at = line.find('$', at + 1)) {
        const Reference reference = reference_at(line, at);
        if (reference.length > 0 && values_.contains(reference.name)) return true;
    }
    return false;
}

void Definitions::append(std::string_view text, std::uint32_t column, int depth, Expansion& out) {
    for (std::size_t at = 0; at < text.size();) {
        const Reference reference = text[at] == '$' ? reference_at(text, at) : Reference{};
        const auto value = reference.length > 0 && depth < kMaxDepth ? values_.find(reference.name)
                                                                     : values_.end();
        if (value != values_.end() && value->second.size() < budget_) {
            budget_ -= value->second.size() + 1;
            append(value->second, column, depth + 1, out);
            if (depth == 0) column += static_cast<std::uint32_t>(reference.length);
            at += reference.length;
            continue;
        }
        out.text += text[at++];
        out.columns.push_back(column);
        const bool more_of_it =
            at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U;
        if (depth == 0 && !more_of_it) ++column;
    }
    if (depth == 0) out.columns.push_back(column);
}

Expansion Definitions::expand(std::string_view line, std::uint32_t column) {
    Expansion expansion;
    append(line, column, 0, expansion);
    return expansion;
}

}  // namespace vipd::config

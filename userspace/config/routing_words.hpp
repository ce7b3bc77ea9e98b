// SPDX-License-Identifier: Apache-2.0
// What addresses, routes and rules share: numbers with names of their own (iproute2's).
// Inside this folder only.
#pragma once

#include "userspace/config/parser.hpp"

#include <optional>
#include <span>
#include <string_view>

namespace vipd::config {

struct NamedNumber {
    std::string_view name;
    std::uint32_t value;
};

std::span<const NamedNumber> scope_names();     ///< RT_SCOPE_*
std::span<const NamedNumber> table_names();     ///< RT_TABLE_*
std::span<const NamedNumber> protocol_names();  ///< RTPROT_*
std::span<const NamedNumber> dsfield_names();   ///< DSCP classes as TOS bytes

/// One of `names`, or a number up to `limit`.
std::optional<std::uint32_t> read_named(Reporter& reporter,
                                        const Word& word,
                                        std::span<const NamedNumber> names,
                                        std::uint32_t limit,
                                        std::string_view what);

/// "REALM" or "FROM/TO", as the kernel packs them.
std::optional<std::uint32_t> read_realms(Reporter& reporter, const Word& word);

/// An address with or without a prefix length; "default", "any" and "all" are 0/0 of `family`.
std::optional<IpPrefix> read_network(Reporter& reporter, const Word& word, Family family);

/// "A" or "A-B", both up to `limit`.
std::optional<std::pair<std::uint32_t, std::uint32_t>> read_range(Reporter& reporter,
                                                                  const Word& word,
                                                                  std::uint32_t limit);

/// The words of one line, taken one after the other.
class Words {
  public:
    Words(Reporter& reporter, const Statement& line) : reporter_(reporter), words_(line.words) {}

    bool end() const { return at_ >= words_.size(); }
    const Word& peek() const { return words_[at_]; }
    const Word& take() { return words_[at_++]; }
    /// The value of the option taken last; nullptr, with a report: there is none.
    const Word* value();
    /// Takes the next word if it is `text`.
    bool accept(std::string_view text);

  private:
    Reporter& reporter_;
    const std::vector<Word>& words_;
    std::size_t at_ = 0;
};

}  // namespace vipd::config

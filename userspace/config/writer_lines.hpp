// SPDX-License-Identifier: Apache-2.0
// Lines, blocks and words of a configuration file that is being written, quoted so that the lexer
// reads them back. Inside this folder only.
#pragma once

#include "userspace/config/config.hpp"

#include <fmt/format.h>

#include <concepts>
#include <string>
#include <string_view>

namespace vipd::config {

/// As one word of a line, quoted where it must be.
std::string word(std::string_view text);
/// A time in seconds, with as many decimals as it has.
std::string seconds_word(Nanos time);
/// A command as the one word that script keywords take, quoted twice: for the lexer and for
/// split_command().
std::string command_word(const std::vector<std::string>& argv);
std::string hex_word(const std::vector<std::uint8_t>& bytes);

class Lines {
  public:
    /// `text` is the whole line, its words already quoted.
    void line(std::string_view text);
    void open(std::string_view head) { line(std::string(head) + " {"), ++depth_; }
    void close() { --depth_, line("}"); }

    // A keyword and its value, where the file gave one; a list of values as a block.
    void flag(std::string_view name, const Value<bool>& value);
    void text(std::string_view name, const Value<std::string>& value);
    void seconds(std::string_view name, const Value<Nanos>& value);
    void address(std::string_view name, const Value<IpAddress>& value);
    void script(std::string_view name, const std::optional<Script>& script);
    void list(std::string_view name, const std::vector<Value<std::string>>& values);
    template <std::integral T>
    void number(std::string_view name, const Value<T>& value) {
        if (value.set) line(fmt::format("{} {}", name, *value));
    }
    /// weight W [reverse]
    void weight(const Value<int>& weight, const Value<bool>& reverse);

    // Members that are no Value: written where they are not the default.
    void on(std::string_view name, bool value) {
        if (value) line(name);
    }
    void plain(std::string_view name, std::string_view value) {
        if (!value.empty()) line(fmt::format("{} {}", name, word(value)));
    }

    std::string take() { return std::move(text_); }

  private:
    std::string text_;
    std::size_t depth_ = 0;
};

/// [all] SECONDS of garp_extra_if.
void write_extra_garp(Lines& lines,
                      std::string_view name,
                      const Value<Nanos>& interval,
                      const Value<bool>& all);

// The blocks of the root, each family in a file of its own.
void write_global_defs(Lines& lines, const GlobalDefs& global);
void write_instance(Lines& lines, const VrrpInstance& instance);
void write_sync_group(Lines& lines, const SyncGroup& group);
void write_trackers(Lines& lines, const Config& config);  ///< scripts, files, processes, BFD
void write_links(Lines& lines, const Config& config);     ///< what the file says about links
void write_addresses(Lines& lines, std::string_view name, const std::vector<VipAddress>& vips);
void write_routes(Lines& lines, std::string_view name, const std::vector<Route>& routes);
void write_rules(Lines& lines, std::string_view name, const std::vector<Rule>& rules);
void write_server_group(Lines& lines, const VirtualServerGroup& group);
void write_virtual_server(Lines& lines, const VirtualServer& server);
void write_checker(Lines& lines, const Checker& checker);
void write_vipd(Lines& lines, const Vipd& vipd);
std::string range_words(const AddressRange& range);  ///< A, A/M or A-B, and the port

}  // namespace vipd::config

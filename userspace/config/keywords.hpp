// SPDX-License-Identifier: Apache-2.0
// The one table of the language: every keyword, the blocks it may stand in, whether vipd does it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace vipd::config {

enum class Block : std::uint8_t {
    None,  ///< no block follows the keyword
    Root,
    GlobalDefs,
    VrrpInstance,
    SyncGroup,
    VrrpScript,
    Authentication,
    AuthHmac,
    TrackFile,
    TrackProcess,
    BfdInstance,
    GarpGroup,
    TrackGroup,
    Ssl,
    VirtualServer,
    RealServer,
    TcpCheck,
    HttpGet,
    SslGet,
    Url,
    SmtpCheck,
    SmtpHost,
    DnsCheck,
    MiscCheck,
    UdpCheck,
    PingCheck,
    BfdCheck,
    FileCheck,
    Vipd,
    VipdSync,
    List,  ///< lines of values, no keywords
};

enum class Status : std::uint8_t {
    Done,
    NotYet,    ///< keepalived does it, vipd does not yet
    NoEffect,  ///< accepted; vipd has nothing that it could change
};

struct Keyword {
    std::string_view name;
    std::uint64_t where;  ///< bit set of Block
    Status status = Status::Done;
    Block block = Block::None;  ///< the block that follows it
    std::uint8_t least = 0;     ///< values it needs
    std::uint8_t most = 0;      ///< values it can have; kAny: no limit
    bool script = false;      ///< its value is a command: '...' quotes too, `user group` may follow
    bool repeats = false;     ///< may stand more than once in a block
    std::string_view note{};  ///< NoEffect: why, and what there is instead
};

constexpr std::uint8_t kAny = 255;

/// All of them; a name that means different things in different blocks stands more than once.
const std::vector<Keyword>& keywords();

/// The keyword `name` of a block; nullptr: there is none.
const Keyword* find_keyword(Block block, std::string_view name);

/// The blocks in which `name` may stand, by the name of their keyword ("vrrp_instance"); empty: no
/// keyword at all.
std::vector<std::string_view> homes_of(std::string_view name);

/// A block keyword that can only begin at the root (`vrrp_instance`, not `track_file`).
bool only_at_root(std::string_view name);

bool takes_script(std::string_view name);

/// The keyword that opens `block`; "the file" for the root.
std::string_view name_of(Block block);

/// The keyword nearest to `word`: one that may stand in `block` if any is near, else any other.
/// "" for none.
std::string_view nearest_keyword(Block block, std::string_view word);

}  // namespace vipd::config

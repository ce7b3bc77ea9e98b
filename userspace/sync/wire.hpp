// SPDX-License-Identifier: Apache-2.0
// The bytes of the sync protocol: the preamble, and what stands inside a sealed record. Integers
// are big-endian. Encoding and decoding are pure; docs/SYNC_PROTOCOL.md has every field.
#pragma once

#include "userspace/dataplane/dataplane.hpp"
#include "userspace/sync/bytes.hpp"
#include "userspace/sync/counters.hpp"
#include "userspace/sync/crypto.hpp"

#include <vipd/address.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace vipd::sync {

using dataplane::Flow;

inline constexpr std::uint8_t kMajorVersion = 1;
inline constexpr std::uint16_t kMinorVersion = 0;

/// Largest plaintext of one record, its kind included.
inline constexpr std::size_t kMaxPlain = std::size_t{16} * 1024;
/// Before each record: the length of what follows (ciphertext and tag), u32.
inline constexpr std::size_t kFrameHeader = 4;
inline constexpr std::size_t kMaxSealed = kMaxPlain + kTagSize;
inline constexpr std::size_t kMaxNodeId = 64;
/// Services whose ring digests one peer may tell.
inline constexpr std::size_t kMaxRings = 4096;

// --- preamble: the only bytes read before authentication -------------------------------------

/// Who sends flows on this connection: the side that has connected.
enum class Role : std::uint8_t { Sender = 1, Receiver = 2 };

inline constexpr std::size_t kPreambleSize = 40;
using Preamble = std::array<std::uint8_t, kPreambleSize>;

Preamble encode_preamble(Role role, const Nonce& nonce);
/// Why the peer's preamble cannot be accepted from a peer of this role; nullopt: it can.
std::optional<Reject> check_preamble(Bytes preamble, Role expected);

// --- records ---------------------------------------------------------------------------------

/// The first byte of each plaintext.
enum class Kind : std::uint8_t {
    Hello = 1,
    Digests = 2,
    SnapshotBegin = 3,
    SnapshotFlows = 4,
    SnapshotEnd = 5,
    Changed = 6,
    Removed = 7,
    Keepalive = 8,
    Echo = 9
};

/// Each side's first record; it proves that the side holds the key.
struct Hello {
    std::uint16_t minor = kMinorVersion;
    std::uint32_t abi = 0;          ///< of the flow table; told for the log
    std::uint64_t features = 0;     ///< bits, told for the log
    std::uint64_t incarnation = 0;  ///< another one after each start of the node
    std::string node_id;            ///< 1 to kMaxNodeId bytes
    bool operator==(const Hello&) const = default;
};

/// What two nodes must have alike for their flows to mean the same. The values are the caller's.
struct Digests {
    std::uint64_t config = 0;
    std::map<ServiceKey, std::uint64_t> rings;
    bool operator==(const Digests&) const = default;
};
/// Digests in parts that fit into records: `first` starts afresh, `last` completes.
struct DigestsPart {
    bool first = false;
    bool last = false;
    std::uint64_t config = 0;
    std::vector<std::pair<ServiceKey, std::uint64_t>> rings;
    bool operator==(const DigestsPart&) const = default;
};

struct SnapshotBegin {
    std::uint32_t id = 0;
    std::uint64_t expected = 0;  ///< about as many flows will come; for who watches
    bool operator==(const SnapshotBegin&) const = default;
};
struct SnapshotEnd {
    std::uint32_t id = 0;
    std::uint64_t count = 0;  ///< flows in the snapshot's own records
    bool operator==(const SnapshotEnd&) const = default;
};

/// SnapshotFlows, Changed or Removed. Removed flows have the state None, all others another.
struct Flows {
    Kind kind = Kind::Changed;
    std::vector<Flow> flows;
    bool operator==(const Flows&) const = default;
};

/// From the sender each second; `stamp` is its own and comes back in Echo.
struct Keepalive {
    std::uint64_t stamp = 0;
    bool operator==(const Keepalive&) const = default;
};
/// The receiver's answer to Keepalive and to SnapshotEnd (stamp 0 then).
struct Echo {
    std::uint64_t stamp = 0;
    std::uint64_t flows = 0;     ///< received on this connection so far
    std::uint32_t snapshot = 0;  ///< the last snapshot held whole, 0: none
    bool operator==(const Echo&) const = default;
};

using Record = std::variant<Hello, DigestsPart, SnapshotBegin, Flows, SnapshotEnd, Keepalive, Echo>;

/// The plaintext of a record. Precondition: it fits (FlowBatch and split_digests see to it).
std::string encode(const Record& record);
/// Strict: unknown kinds, values out of range, short and surplus bytes are nullopt.
std::optional<Record> decode(Bytes plain);

/// Digests in as many parts as they need, at least one; rings past kMaxRings are left out.
std::vector<DigestsPart> split_digests(const Digests& digests);

/// One flow as it stands in a record. Precondition: can_travel(flow).
void put_flow(std::string& out, const Flow& flow);
/// The next one of a record of this kind; the reader has failed where there is none.
Flow get_flow(Reader& in, Kind kind);

/// Whether a flow can be written down: it has all addresses, client and VIP of one family.
bool can_travel(const Flow& flow);

/// Collects flows of one kind into the plaintext of one record.
class FlowBatch {
  public:
    explicit FlowBatch(Kind kind);
    /// False, and nothing added, when the record is full. Precondition: can_travel(flow).
    bool add(const Flow& flow);
    std::size_t count() const { return count_; }
    /// The plaintext; the batch is empty after.
    std::string take();

  private:
    Kind kind_;
    std::string bytes_;
    std::uint16_t count_ = 0;
};

}  // namespace vipd::sync

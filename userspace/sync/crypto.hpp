// SPDX-License-Identifier: Apache-2.0
// Keys and records of the sync protocol: HKDF-SHA256 (RFC 5869) from the shared secret, AES-256-GCM
// (NIST SP 800-38D) with the record number as nonce. docs/SYNC_PROTOCOL.md has the whole scheme.
#pragma once

#include "userspace/sync/bytes.hpp"

#include <vipd/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct evp_cipher_ctx_st;
struct evp_md_ctx_st;

namespace vipd::sync {

inline constexpr std::size_t kTagSize = 16;
/// What one key may seal: 2^38 bytes, within RFC 8446 section 5.5's bound for AES-GCM.
inline constexpr std::uint64_t kKeyLimit = std::uint64_t{1} << 38;

using Nonce = std::array<std::uint8_t, 32>;
/// From the system's generator.
Result<Nonce> make_nonce();

/// 32 bytes that wipe themselves when they go.
class Secret {
  public:
    Secret() = default;
    Secret(const Secret&) = default;
    Secret& operator=(const Secret&) = default;
    ~Secret();
    std::span<std::uint8_t, 32> writable() { return bytes_; }
    std::span<const std::uint8_t, 32> bytes() const { return bytes_; }
    bool operator==(const Secret& other) const;  ///< in constant time

  private:
    std::array<std::uint8_t, 32> bytes_{};
};

/// Shortest secret accepted: what `head -c 24 /dev/urandom | base64` gives.
inline constexpr std::size_t kMinSecret = 32;

/// The key that all nodes share, from a secret of at least kMinSecret bytes (white space at its end
/// does not count).
Result<Secret> derive_shared_key(std::string_view secret);

/// Keys good at one time: more than one while the nodes go over to another, one after the other.
inline constexpr std::size_t kMaxKeys = 4;
/// The shared keys of a node. What it begins itself is sealed with the first; a peer may use any.
class Keyring {
  public:
    Keyring() = default;
    Keyring(const Secret& only) : keys_{only} {}  // NOLINT: one key is a ring of one
    explicit Keyring(std::vector<Secret> keys) : keys_(std::move(keys)) {}
    const Secret& first() const { return keys_.front(); }
    const std::vector<Secret>& keys() const { return keys_; }
    bool contains(const Secret& key) const;
    bool operator==(const Keyring&) const = default;

  private:
    std::vector<Secret> keys_;
};
/// One secret a line; empty lines and those that begin with # do not count.
Result<Keyring> derive_keyring(std::string_view text);
/// The same from a file, which must be a regular file that neither group nor others may write and
/// others may not read.
Result<Keyring> load_keyring(const std::string& path);

inline constexpr std::size_t kDigestSize = 32;
/// SHA-256 (FIPS 180-4) of what comes in parts.
class Sha256 {
  public:
    static Result<Sha256> create();
    void update(Bytes bytes);
    /// Ends it.
    std::array<std::uint8_t, kDigestSize> finish();

  private:
    struct Free {
        void operator()(evp_md_ctx_st* context) const;
    };
    Sha256() = default;
    std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// One direction of one connection.
struct TrafficKey {
    Secret key;
    std::array<std::uint8_t, 12> iv{};
};
struct TrafficKeys {
    TrafficKey of_sender;
    TrafficKey of_receiver;
};
/// Keys of a connection, bound to both preambles whole as they were on the wire.
Result<TrafficKeys> derive_traffic_keys(const Secret& shared,
                                        Bytes sender_preamble,
                                        Bytes receiver_preamble);

/// AES-256-GCM over the records of one direction. Records are numbered from 0 by both sides; the
/// number is not sent, so a record out of order or seen before does not open.
class Cipher {
  public:
    enum class Direction : std::uint8_t { Seal, Open };
    static Result<Cipher> create(Direction direction, const TrafficKey& key);

    /// Appends ciphertext and tag of `plain` to `out`; `header` is authenticated with it. False
    /// when the key is used up.
    bool seal(Bytes header, Bytes plain, std::string& out);
    /// The plaintext of `sealed` (ciphertext and tag), valid until the next call; nullopt when it
    /// was not made by the peer with this header as its next record.
    std::optional<Bytes> open(Bytes header, Bytes sealed);
    /// What open() gave last, also after the cipher has been moved.
    Bytes opened() const {
        return {reinterpret_cast<const std::uint8_t*>(plain_.data()), plain_.size()};
    }

  private:
    struct Free {
        void operator()(evp_cipher_ctx_st* context) const;
    };
    Cipher() = default;
    std::array<std::uint8_t, 12> next_nonce();

    std::unique_ptr<evp_cipher_ctx_st, Free> context_;
    std::array<std::uint8_t, 12> iv_{};
    std::uint64_t number_ = 0;
    std::uint64_t sealed_ = 0;
    std::string plain_;
};

}  // namespace vipd::sync

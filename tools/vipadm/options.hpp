// SPDX-License-Identifier: Apache-2.0
// Takes a command line apart as popt(3) does: short ones bundled, values attached or in the next
// word, an optional value where the next word is no option.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::vipadm {

/// An option by its letter, or by a number from 256 on where it has a long name only.
struct OptionSpec {
    int id;
    std::string_view name;
    enum class Value : unsigned char { None, Needed, Optional } value = Value::None;
};

class OptionReader {
  public:
    explicit OptionReader(const std::vector<std::string>& words) : words_(words) {}

    struct Option {
        int id = 0;             ///< kUnknown, kNoValue
        std::string written{};  ///< "-x", "--name"
        std::optional<std::string> value{};
    };
    static constexpr int kUnknown = -1;
    static constexpr int kNoValue = -2;

    /// nullopt: there are no more.
    std::optional<Option> next();
    /// The words that belong to no option, in order.
    const std::vector<std::string>& rest() const { return rest_; }

  private:
    Option take(const OptionSpec& spec, std::string written, std::optional<std::string> attached);

    const std::vector<std::string>& words_;
    std::size_t at_ = 0;
    std::string bundle_;  ///< letters of the current word that are still to come
    std::vector<std::string> rest_;
};

enum LongOption : int {
    kSctp = 256,
    kEngine,
    kTunType,
    kTunPort,
    kTunNocsum,
    kTunCsum,
    kTunRemcsum,
    kTimeout,
    kDaemon,
    kStats,
    kRate,
    kExact,
    kThresholds,
    kPersistentConn,
    kTunInfo,
    kNosort,
    kSort,
    kSet,
    kStartDaemon,
    kStopDaemon,
    kSyncid,
    kMaxlen,
    kMcastInterface,
    kMcastGroup,
    kMcastPort,
    kMcastTtl,
    kVersion,
};

}  // namespace vipd::vipadm

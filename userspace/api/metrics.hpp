// SPDX-License-Identifier: Apache-2.0
// The status in Prometheus's text exposition format 0.0.4. docs/API.md lists the metrics.
#pragma once

#include "userspace/control/status.hpp"

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace vipd::api {

/// Writes one exposition. Families must not be opened twice; a series that would appear twice in a
/// family is left out the second time, since one duplicate makes Prometheus refuse the whole page.
class Exposition {
  public:
    using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    /// Opens a family: its HELP and TYPE lines. `type` is "counter" or "gauge".
    void family(std::string_view name, std::string_view type, std::string_view help);
    /// A sample of the family opened last.
    void sample(Labels labels, std::uint64_t value);
    void sample(Labels labels, double value);
    void flag(Labels labels, bool value) { sample(labels, std::uint64_t{value ? 1U : 0U}); }

    const std::string& text() const { return text_; }

  private:
    void line(Labels labels, std::string_view value);

    std::string text_;
    std::string name_;
    std::set<std::string> seen_;
};

/// A label's value between its quotes: backslash, quote and newline escaped.
std::string escape_label(std::string_view value);

/// All metrics of the daemon.
void write_metrics(Exposition& out, const control::Status& status);

}  // namespace vipd::api

// SPDX-License-Identifier: Apache-2.0
// States that core could not be told because its queue was full. They are reported on change only:
// one that is lost would be wrong in core until the next change.
#pragma once

#include <cstddef>
#include <map>

namespace vipd::daemon {

/// The newest message about each `Key` that has not gone out; as many as there are keys at most.
/// `send` takes a message and returns whether it went out.
template <typename Key, typename Message>
class Untold {
  public:
    template <typename Send>
    void tell(const Key& about, const Message& message, const Send& send) {
        if (send(message))
            waiting_.erase(about);
        else
            waiting_.insert_or_assign(about, message);
    }

    /// Sends what waits; the first that does not go out ends it, the rest goes on waiting.
    template <typename Send>
    void retry(const Send& send) {
        while (!waiting_.empty() && send(waiting_.begin()->second))
            waiting_.erase(waiting_.begin());
    }

    template <typename Gone>
    void drop_if(const Gone& gone) {
        std::erase_if(waiting_, [&](const auto& entry) { return gone(entry.first); });
    }

    std::size_t waiting() const { return waiting_.size(); }

  private:
    std::map<Key, Message> waiting_;
};

}  // namespace vipd::daemon

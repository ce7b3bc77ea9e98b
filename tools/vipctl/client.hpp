// SPDX-License-Identifier: Apache-2.0
// Talks to a vipd over its unix socket.
#pragma once

#include <vipd/error.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace vipd::vipctl {

/// Where a request failed: whether vipd said no, or could not be asked.
struct Failure {
    std::string message;  ///< one sentence
    bool refused = false;
};

template <class T>
using Answer = tl::expected<T, Failure>;

class Client {
  public:
    explicit Client(std::string socket) : socket_(std::move(socket)) {}

    /// The body of GET `target`.
    Answer<std::string> get(const std::string& target) const;
    /// The body of POST `target` with a JSON body (may be empty).
    Answer<std::string> post(const std::string& target, const std::string& body) const;
    /// GET `target`, its body handed over as it comes; `take` returns false to end it.
    Answer<bool> stream(const std::string& target,
                        const std::function<bool(std::string_view)>& take) const;

  private:
    std::string socket_;
};

}  // namespace vipd::vipctl

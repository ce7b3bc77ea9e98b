// SPDX-License-Identifier: Apache-2.0
// Errors as values: what every vipd function that can fail returns.
#pragma once

#include <tl/expected.hpp>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace vipd {

/// Why something failed. Libraries return it, the daemon's shell logs it, once.
struct Error {
    /// One sentence without a full stop, outermost context first:
    /// "reload: virtual_server 10.0.0.1:80: map vipd_services: update: Argument list too long".
    std::string message;
    /// The errno behind it, 0 where there is none.
    int errnum = 0;

    /// `what` failed with `errnum`; the message ends in the system's text for it.
    static Error from_errno(int errnum, std::string_view what) {
        return {std::string(what) + ": " + std::strerror(errnum), errnum};
    }

    /// The same error seen from one level further out.
    Error in(std::string_view context) && {
        message.insert(0, std::string(context) + ": ");
        return std::move(*this);
    }
};

template <class T = void>
using Result = tl::expected<T, Error>;

/// `return fail("no such interface: " + name);`
inline tl::unexpected<Error> fail(std::string message, int errnum = 0) {
    return tl::unexpected<Error>(Error{std::move(message), errnum});
}
inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}
inline tl::unexpected<Error> fail_errno(int errnum, std::string_view what) {
    return tl::unexpected<Error>(Error::from_errno(errnum, what));
}

}  // namespace vipd

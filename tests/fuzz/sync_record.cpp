// SPDX-License-Identifier: Apache-2.0
// The plaintext of a record from a peer: whatever decodes is written again to the same bytes.
#include "userspace/sync/wire.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace vipd::sync;
    const auto record = decode({data, size});
    if (!record) return 0;
    const std::string again = encode(*record);
    if (again != std::string(reinterpret_cast<const char*>(data), size)) std::abort();
    return 0;
}

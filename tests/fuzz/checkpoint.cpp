// SPDX-License-Identifier: Apache-2.0
// A checkpoint of the flow table. An input whose last 32 bytes are not its digest is given the
// right one, else nothing behind it would ever be reached.
#include "userspace/sync/checkpoint.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace vipd::sync;
    std::vector<std::uint8_t> bytes(data, data + size);
    if (bytes.size() >= kDigestSize) {
        auto digest = Sha256::create();
        if (!digest) std::abort();
        digest->update(Bytes(bytes).first(bytes.size() - kDigestSize));
        std::ranges::copy(digest->finish(), bytes.end() - kDigestSize);
    }
    std::uint64_t taken = 0;
    const auto content = decode_checkpoint(bytes, "n", [&](WallTime, std::span<const Flow> flows) {
        taken += flows.size();
        for (const auto& flow : flows)
            if (!can_travel(flow)) std::abort();
    });
    // All or nothing.
    if (taken != (content ? content->count : 0)) std::abort();
    return 0;
}

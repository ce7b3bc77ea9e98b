// SPDX-License-Identifier: Apache-2.0
// What anybody can send to the sync port, without the key: first bytes, length, garbage. Each input
// goes to both sides, whole and byte by byte; neither may take a flow or ever call itself synced.
#include "userspace/sync/receiver.hpp"
#include "userspace/sync/sender.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace vipd;
    using namespace vipd::sync;
    static const Secret key = *derive_shared_key(std::string(kMinSecret, 'k'));
    constexpr TimePoint kNow{Seconds(1000)};
    const auto run = [&](Session& session, std::size_t step) {
        for (std::size_t at = 0; at < size; at += step)
            session.receive({data + at, std::min(step, size - at)}, kNow);
        session.peer_closed();
        session.tick(kNow);
        if (session.authenticated()) std::abort();
    };
    for (const std::size_t step : {size + 1, std::size_t{1}}) {
        Receiver receiver(key, Nonce{}, {"b", 1, 0, 2}, {}, kNow);
        run(receiver, step);
        if (receiver.synced() || !receiver.take_flows().empty()) std::abort();
        Sender sender(key, Nonce{}, {"a", 1, 0, 1}, {}, kNow);
        run(sender, step);
        if (sender.wants_scan()) std::abort();
    }
    return 0;
}

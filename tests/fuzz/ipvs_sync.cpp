// SPDX-License-Identifier: Apache-2.0
// A datagram of an IPVS sync daemon: whatever decodes can be written again and reads the same.
#include "userspace/sync/ipvs_flow.hpp"
#include "userspace/sync/ipvs_wire.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace vipd::sync;
    const auto datagram = ipvs::decode({data, size});
    if (!datagram) return 0;
    ipvs::Writer writer(datagram->version, datagram->sync_id, 65535);
    for (const auto& connection : datagram->connections) {
        (void)ipvs::to_flow(connection);
        if (!writer.can_carry(connection) || !writer.add(connection)) std::abort();
    }
    const std::string again = writer.take();
    const auto read =
        ipvs::decode({reinterpret_cast<const std::uint8_t*>(again.data()), again.size()});
    if (!read || !(*read == *datagram)) std::abort();
    return 0;
}

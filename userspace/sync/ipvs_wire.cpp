// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/ipvs_wire.hpp"

#include <algorithm>
#include <cstring>

namespace vipd::sync::ipvs {

namespace {

constexpr std::size_t kHeader0 = 4;
constexpr std::size_t kHeader1 = 8;
constexpr std::size_t kSequencesSize = 24;
constexpr std::uint32_t kSequenceMask = kOutSequence | kInSequence;

// First byte of a version 1 record.
constexpr std::uint8_t kTypeV6 = 1;

// Options of version 1: type, length, value.
constexpr std::uint8_t kOptSequences = 1;
constexpr std::uint8_t kOptEngineData = 2;
constexpr std::uint8_t kOptEngineName = 3;
constexpr std::uint8_t kOptIgnorable = 0x40;
constexpr std::size_t kMaxEngineName = 16;

// The upper four bits of a record's version and size are its version: 0.
constexpr std::uint16_t kRecordSizeMask = 0x0fff;

constexpr std::size_t padded(std::size_t size) {
    return (size + 3) & ~std::size_t{3};
}

std::uint32_t get_native(Reader& in) {
    std::uint32_t value = 0;
    const Bytes bytes = in.take(sizeof value);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

void put_native(std::string& out, std::uint32_t value) {
    std::array<char, sizeof value> bytes{};
    std::memcpy(bytes.data(), &value, sizeof value);
    out.append(bytes.data(), bytes.size());
}

Sequences get_sequences(Reader& in, bool native) {
    Sequences sequences;
    for (auto* one : {&sequences.in, &sequences.out})
        for (auto* field : {&one->initial, &one->delta, &one->previous_delta})
            *field = native ? get_native(in) : in.get<std::uint32_t>();
    return sequences;
}

void put_sequences(std::string& out, const Sequences& sequences, bool native) {
    for (const auto* one : {&sequences.in, &sequences.out})
        for (const auto field : {one->initial, one->delta, one->previous_delta})
            native ? put_native(out, field) : put(out, field);
}

std::string text_of(Bytes bytes) {
    return {bytes.begin(), bytes.end()};
}

void get_option(Reader& in, Connection& connection) {
    const auto type = in.get<std::uint8_t>();
    const Bytes value = in.take(in.get<std::uint8_t>());
    in.require(!value.empty());
    if (in.failed()) return;
    switch (type & ~kOptIgnorable) {
        case kOptSequences: {
            in.require(value.size() == kSequencesSize && !connection.sequences);
            Reader inner(value);
            connection.sequences = get_sequences(inner, false);
            break;
        }
        case kOptEngineData:
            in.require(connection.engine_data.empty());
            connection.engine_data = text_of(value);
            break;
        case kOptEngineName:
            in.require(value.size() <= kMaxEngineName && connection.engine_name.empty());
            connection.engine_name = text_of(value);
            break;
        default:
            in.require((type & kOptIgnorable) != 0);
    }
}

Connection get_record1(Reader& in) {
    Connection connection;
    const auto type = in.get<std::uint8_t>();
    in.require(type <= kTypeV6);
    const bool v6 = type == kTypeV6;
    connection.protocol = in.get<std::uint8_t>();
    const auto size = in.get<std::uint16_t>();
    constexpr std::size_t kRead = 4;
    in.require((size & ~kRecordSizeMask) == 0 && size >= kRead);
    Reader record(in.take(size - std::min<std::size_t>(size, kRead)));
    connection.flags = record.get<std::uint32_t>();
    connection.state = record.get<std::uint16_t>();
    for (auto* endpoint : {&connection.client, &connection.vip, &connection.real})
        endpoint->port = record.get<std::uint16_t>();
    connection.fwmark = record.get<std::uint32_t>();
    connection.timeout = record.get<std::uint32_t>();
    for (auto* endpoint : {&connection.client, &connection.vip, &connection.real})
        endpoint->address = record.address(v6);
    while (record.left() > 0) get_option(record, connection);
    in.require(!record.failed());
    // Padding; behind the last record there is none as a rule.
    in.take(std::min(padded(size) - size, in.left()));
    return connection;
}

Connection get_record0(Reader& in) {
    Connection connection;
    in.take(1);  // reserved
    connection.protocol = in.get<std::uint8_t>();
    for (auto* endpoint : {&connection.client, &connection.vip, &connection.real})
        endpoint->port = in.get<std::uint16_t>();
    for (auto* endpoint : {&connection.client, &connection.vip, &connection.real})
        endpoint->address = in.address(false);
    connection.flags = in.get<std::uint16_t>();
    connection.state = in.get<std::uint16_t>();
    if ((connection.flags & kSequenceMask) != 0) connection.sequences = get_sequences(in, true);
    return connection;
}

}  // namespace

tl::expected<Datagram, Drop> decode(Bytes bytes) {
    if (bytes.size() < kHeader0) return tl::unexpected(Drop::Truncated);
    // Version 0 has the number of its records where version 1 has a zero.
    const bool v1 = bytes.size() >= kHeader1 && bytes[0] == 0 && bytes[5] == 1 && bytes[6] == 0 &&
                    bytes[7] == 0;
    Datagram datagram;
    datagram.version = v1 ? 1 : 0;
    datagram.sync_id = bytes[1];
    const std::size_t size = static_cast<std::size_t>(bytes[2]) << 8 | bytes[3];
    if (size != bytes.size())
        return tl::unexpected(size > bytes.size() ? Drop::Truncated : Drop::Size);
    const std::size_t count = v1 ? bytes[4] : bytes[0];
    Reader in(bytes.subspan(v1 ? kHeader1 : kHeader0));
    for (std::size_t i = 0; i < count && !in.failed(); ++i)
        datagram.connections.push_back(v1 ? get_record1(in) : get_record0(in));
    if (!in.finished()) return tl::unexpected(Drop::Malformed);
    return datagram;
}

Writer::Writer(std::uint8_t version, std::uint8_t sync_id, std::size_t max_size)
    : version_(version), sync_id_(sync_id), max_size_(max_size) {}

std::string Writer::record(const Connection& connection) const {
    const auto endpoints = {&connection.client, &connection.vip, &connection.real};
    std::string out;
    if (version_ == 0) {
        put(out, std::uint8_t{0});
        put(out, connection.protocol);
        for (const auto* endpoint : endpoints) put(out, endpoint->port);
        for (const auto* endpoint : endpoints) put(out, endpoint->address);
        put(out, static_cast<std::uint16_t>(connection.flags));
        put(out, connection.state);
        if ((connection.flags & kSequenceMask) != 0)
            put_sequences(out, connection.sequences.value_or(Sequences{}), true);
        return out;
    }
    std::string body;
    put(body, connection.flags);
    put(body, connection.state);
    for (const auto* endpoint : endpoints) put(body, endpoint->port);
    put(body, connection.fwmark);
    put(body, connection.timeout);
    for (const auto* endpoint : endpoints) put(body, endpoint->address);
    const auto option = [&](std::uint8_t type, const std::string& value) {
        if (value.empty()) return;
        put(body, type);
        put(body, static_cast<std::uint8_t>(value.size()));
        body += value;
    };
    if (connection.sequences) {
        std::string sequences;
        put_sequences(sequences, *connection.sequences, false);
        option(kOptSequences, sequences);
    }
    option(kOptEngineData, connection.engine_data);
    option(kOptEngineName, connection.engine_name);
    put(out, connection.vip.address.is_v6() ? kTypeV6 : std::uint8_t{0});
    put(out, connection.protocol);
    put(out, static_cast<std::uint16_t>(body.size() + 4));
    return out + body;
}

bool Writer::can_carry(const Connection& connection) const {
    const auto family = connection.vip.address.family();
    return family != Family::None && connection.client.address.family() == family &&
           connection.real.address.family() == family && (version_ != 0 || family == Family::V4) &&
           connection.engine_data.size() <= 255 &&
           connection.engine_name.size() <= kMaxEngineName &&
           (version_ == 0 ? kHeader0 : kHeader1) + record(connection).size() <= max_size_;
}

bool Writer::add(const Connection& connection) {
    const std::string one = record(connection);
    const std::size_t before = (version_ == 0 ? kHeader0 : kHeader1) +
                               (version_ == 0 ? records_.size() : padded(records_.size()));
    if (count_ == 255 || before + one.size() > max_size_) return false;
    if (version_ != 0) records_.resize(padded(records_.size()));
    records_ += one;
    ++count_;
    return true;
}

std::string Writer::take() {
    std::string out;
    put(out, version_ == 0 ? count_ : std::uint8_t{0});
    put(out, sync_id_);
    put(out, static_cast<std::uint16_t>(records_.size() + (version_ == 0 ? kHeader0 : kHeader1)));
    if (version_ != 0) {
        put(out, count_);
        put(out, version_);
        put(out, std::uint16_t{0});
    }
    out += records_;
    records_.clear();
    count_ = 0;
    return out;
}

}  // namespace vipd::sync::ipvs

// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/checkpoint.hpp"

#include "userspace/base/text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <vector>

namespace vipd::sync {

namespace {

constexpr std::string_view kMagic = "VIPDFLOW";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kCountSize = 8;
constexpr std::size_t kTrailer = kCountSize + kDigestSize;
constexpr std::size_t kWriteSize = 256 * 1024;
constexpr std::size_t kFlowsPerPart = 4096;

Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string header(const std::string& node_id, WallTime saved_at) {
    std::string out(kMagic);
    put(out, kVersion);
    put(out, static_cast<std::uint64_t>(saved_at.count()));
    put(out, static_cast<std::uint8_t>(node_id.size()));
    return out + node_id;
}

struct Mapping {
    void* address = MAP_FAILED;
    std::size_t size = 0;
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (address != MAP_FAILED) ::munmap(address, size);
    }
};

}  // namespace

CheckpointWriter::CheckpointWriter(std::string path, std::string temporary, Fd fd, Sha256 digest)
    : path_(std::move(path)),
      temporary_(std::move(temporary)),
      fd_(std::move(fd)),
      digest_(std::move(digest)) {}

CheckpointWriter::~CheckpointWriter() {
    if (fd_ && !temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<CheckpointWriter> CheckpointWriter::open(const std::string& path,
                                                const std::string& node_id,
                                                WallTime saved_at) {
    std::string temporary = path + ".new";
    auto digest = Sha256::create();
    if (!digest) return fail(digest.error());
    // What an earlier one that was killed has left is in the way of O_EXCL, and of no use.
    ::unlink(temporary.c_str());
    Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return fail_errno(errno, temporary);
    CheckpointWriter writer(path, std::move(temporary), std::move(fd), std::move(*digest));
    writer.buffer_ = header(node_id.substr(0, kMaxNodeId), saved_at);
    return writer;
}

Result<> CheckpointWriter::flush() {
    digest_.update(as_bytes(buffer_));
    std::string_view rest = buffer_;
    while (!rest.empty()) {
        const ssize_t written = ::write(fd_.get(), rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail_errno(errno, temporary_);
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    buffer_.clear();
    return {};
}

Result<> CheckpointWriter::add(const Flow& flow) {
    if (flow.state == dataplane::FlowState::None || !can_travel(flow)) return {};
    put_flow(buffer_, flow);
    ++count_;
    if (buffer_.size() < kWriteSize) return {};
    return flush();
}

Result<> CheckpointWriter::commit(bool durable) {
    put(buffer_, count_);
    if (auto flushed = flush(); !flushed) return flushed;
    const auto digest = digest_.finish();
    buffer_.assign(digest.begin(), digest.end());
    if (auto flushed = flush(); !flushed) return flushed;
    if (durable && ::fsync(fd_.get()) < 0) return fail_errno(errno, temporary_);
    if (::rename(temporary_.c_str(), path_.c_str()) < 0) return fail_errno(errno, path_);
    temporary_.clear();
    return {};
}

Result<CheckpointContent> decode_checkpoint(
    Bytes bytes,
    const std::string& node_id,
    const std::function<void(WallTime saved_at, std::span<const Flow>)>& take) {
    Reader head(bytes);
    const Bytes magic = head.take(kMagic.size());
    if (head.failed() || !std::equal(magic.begin(), magic.end(), as_bytes(kMagic).begin()))
        return fail("this is no checkpoint of vipd");
    if (const auto version = head.get<std::uint32_t>(); version != kVersion)
        return fail("it is of another version (" + std::to_string(version) + ")");
    const auto saved_at = head.get<std::uint64_t>();
    const Bytes id = head.take(head.get<std::uint8_t>());
    if (head.left() < kTrailer) return fail("it is cut off");
    const std::string made_by(id.begin(), id.end());
    if (made_by != node_id.substr(0, kMaxNodeId))
        return fail("it is another node's: " + printable(made_by, kMaxNodeId));

    const Bytes whole = bytes.first(bytes.size() - kDigestSize);
    auto digest = Sha256::create();
    if (!digest) return fail(digest.error());
    digest->update(whole);
    const auto found = digest->finish();
    if (!std::ranges::equal(found, bytes.last(kDigestSize)))
        return fail("its digest does not agree: it is damaged or cut off");

    Reader tail(whole.last(kCountSize));
    CheckpointContent content{WallTime(static_cast<std::int64_t>(saved_at)),
                              tail.get<std::uint64_t>()};
    const Bytes flows = bytes.subspan(bytes.size() - head.left(), head.left() - kTrailer);
    // Once to see that all is well, once more to hand it on.
    for (const bool hand_on : {false, true}) {
        Reader in(flows);
        std::vector<Flow> part;
        std::uint64_t count = 0;
        while (in.left() > 0) {
            Flow flow = get_flow(in, Kind::SnapshotFlows);
            if (in.failed()) return fail("it holds a connection that cannot be");
            ++count;
            if (!hand_on) continue;
            part.push_back(flow);
            if (part.size() < kFlowsPerPart && in.left() > 0) continue;
            take(content.saved_at, part);
            part.clear();
        }
        if (count != content.count)
            return fail("it holds another number of connections than it says");
    }
    return content;
}

Result<CheckpointContent> read_checkpoint(
    const std::string& path,
    const std::string& node_id,
    const std::function<void(WallTime saved_at, std::span<const Flow>)>& take) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    if (!fd) return fail_errno(errno, path);
    struct ::stat status{};
    if (::fstat(fd.get(), &status) < 0) return fail_errno(errno, path);
    if (!S_ISREG(status.st_mode)) return fail(path + ": this is no regular file");
    if (status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return fail(path + ": others may write to it");
    Mapping mapping;
    mapping.size = static_cast<std::size_t>(status.st_size);
    if (mapping.size > 0) {
        mapping.address = ::mmap(nullptr, mapping.size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
        if (mapping.address == MAP_FAILED) return fail_errno(errno, path);
    }
    const Bytes bytes(
        mapping.size > 0 ? static_cast<const std::uint8_t*>(mapping.address) : nullptr,
        mapping.size);
    auto content = decode_checkpoint(bytes, node_id, take);
    if (!content) return fail(std::move(content.error()).in(path));
    return content;
}

}  // namespace vipd::sync

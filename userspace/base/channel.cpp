// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/channel.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <type_traits>

namespace vipd::ipc {

namespace {

static_assert(std::endian::native == std::endian::little,
              "fields are copied as they are; the wire is little-endian");

// What a peer may say: a value outside its enumeration is as malformed as a short message.
bool valid(VrrpState state) {
    return state <= VrrpState::Fault;
}
bool valid(TrackerKind kind) {
    return kind <= TrackerKind::Bfd;
}
bool valid(InstanceEventKind kind) {
    return kind <= InstanceEventKind::PriorityChanged;
}
bool valid(Protocol protocol) {
    return protocol == Protocol::Tcp || protocol == Protocol::Udp || protocol == Protocol::Sctp;
}
bool valid(Family family) {
    return family == Family::None || family == Family::V4 || family == Family::V6;
}

class Writer {
  public:
    explicit Writer(std::string& out) : out_(out) {}

    template <class T>
        requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    void operator()(const T& value) {
        out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void operator()(const std::string& value) {
        (*this)(static_cast<std::uint32_t>(value.size()));
        out_ += value;
    }
    void operator()(const IpAddress& value) {
        (*this)(value.family());
        const auto bytes = value.bytes();
        out_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    void operator()(const Endpoint& value) { (*this)(value.address), (*this)(value.port); }
    void operator()(const ServiceKey& value) { (*this)(value.endpoint), (*this)(value.protocol); }
    template <class T>
    void operator()(const std::vector<T>& values) {
        (*this)(static_cast<std::uint32_t>(values.size()));
        for (const auto& value : values) (*this)(value);
    }
    template <class T>
        requires requires(T& message, Writer& writer) { message.fields(writer); }
    void operator()(const T& message) {
        const_cast<T&>(message).fields(*this);
    }

  private:
    std::string& out_;
};

// Reads what Writer wrote; after the first short or invalid field everything else is left as it is.
class Reader {
  public:
    explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}
    bool failed() const { return failed_; }
    bool finished() const { return !failed_ && rest_.empty(); }

    template <class T>
        requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    void operator()(T& value) {
        if constexpr (std::is_same_v<T, bool>) {
            std::uint8_t raw = 0;
            (*this)(raw);
            if (raw > 1) failed_ = true;
            value = raw == 1;
        } else {
            copy(&value, sizeof value);
            if constexpr (std::is_enum_v<T>) {
                if (!valid(value)) failed_ = true;
            }
        }
    }
    void operator()(std::string& value) {
        std::uint32_t size = 0;
        (*this)(size);
        if (failed_ || size > rest_.size()) {
            failed_ = true;
            return;
        }
        value.assign(reinterpret_cast<const char*>(rest_.data()), size);
        rest_ = rest_.subspan(size);
    }
    void operator()(IpAddress& value) {
        Family family = Family::None;
        (*this)(family);
        if (family == Family::V4) {
            std::array<std::uint8_t, 4> bytes{};
            copy(bytes.data(), bytes.size());
            value = IpAddress::v4(std::span<const std::uint8_t, 4>(bytes));
        } else if (family == Family::V6) {
            std::array<std::uint8_t, 16> bytes{};
            copy(bytes.data(), bytes.size());
            value = IpAddress::v6(std::span<const std::uint8_t, 16>(bytes));
        } else {
            value = {};
        }
    }
    void operator()(Endpoint& value) { (*this)(value.address), (*this)(value.port); }
    void operator()(ServiceKey& value) { (*this)(value.endpoint), (*this)(value.protocol); }
    template <class T>
    void operator()(std::vector<T>& values) {
        std::uint32_t size = 0;
        (*this)(size);
        // Each element takes at least one byte: a lying count cannot make us allocate more.
        if (failed_ || size > rest_.size()) {
            failed_ = true;
            return;
        }
        for (std::uint32_t i = 0; i < size && !failed_; ++i) (*this)(values.emplace_back());
    }
    template <class T>
        requires requires(T& message, Reader& reader) { message.fields(reader); }
    void operator()(T& message) {
        message.fields(*this);
    }

  private:
    void copy(void* to, std::size_t size) {
        if (failed_ || size > rest_.size()) {
            failed_ = true;
            return;
        }
        std::memcpy(to, rest_.data(), size);
        rest_ = rest_.subspan(size);
    }

    std::span<const std::byte> rest_;
    bool failed_ = false;
};

template <std::size_t I = 0>
Result<Message> decode_kind(std::size_t kind, Reader& reader) {
    if constexpr (I < std::variant_size_v<Message>) {
        if (kind != I) return decode_kind<I + 1>(kind, reader);
        std::variant_alternative_t<I, Message> message;
        message.fields(reader);
        if (!reader.finished()) return fail("ipc: message of wrong length");
        return message;
    } else {
        return fail("ipc: unknown message kind " + std::to_string(kind));
    }
}

}  // namespace

Result<std::string> encode(const Message& message) {
    std::string out;
    Writer writer(out);
    writer(static_cast<std::uint16_t>(message.index()));
    std::visit([&](const auto& body) { writer(body); }, message);
    if (out.size() > kMaxMessage) return fail("ipc: message too long", EMSGSIZE);
    return out;
}

Result<Message> decode(std::span<const std::byte> bytes) {
    Reader reader(bytes);
    std::uint16_t kind = 0;
    reader(kind);
    if (reader.failed()) return fail("ipc: message of wrong length");
    return decode_kind(kind, reader);
}

Result<std::pair<Fd, Fd>> make_pair() {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) < 0)
        return fail_errno(errno, "socketpair");
    return std::pair(Fd(fds[0]), Fd(fds[1]));
}

Channel::Channel(Fd fd, Handler handler, Closed closed)
    : fd_(std::move(fd)), handler_(std::move(handler)), closed_(std::move(closed)) {}

Channel::~Channel() = default;

Result<std::unique_ptr<Channel>> Channel::open(EventLoop& loop,
                                               Fd fd,
                                               Handler handler,
                                               Closed closed) {
    auto channel =
        std::unique_ptr<Channel>(new Channel(std::move(fd), std::move(handler), std::move(closed)));
    auto source = loop.io(channel->fd_.get(),
                          EPOLLIN,
                          [raw = channel.get()](std::uint32_t revents) { raw->on_ready(revents); });
    if (!source) return fail(std::move(source.error()));
    channel->source_ = std::move(*source);
    return channel;
}

Result<> Channel::send(const Message& message, int attached) {
    if (!fd_) return fail("ipc: peer is gone", EPIPE);
    auto bytes = encode(message);
    if (!bytes) return fail(std::move(bytes.error()));
    if (queue_.size() >= kMaxQueued) return fail("ipc: queue full", ENOBUFS);
    Pending pending{std::move(*bytes), Fd()};
    if (attached >= 0) {
        pending.attached.reset(::fcntl(attached, F_DUPFD_CLOEXEC, 0));
        if (!pending.attached) return fail_errno(errno, "ipc: duplicate descriptor");
    }
    queue_.push_back(std::move(pending));
    flush();
    return {};
}

void Channel::flush() {
    while (fd_ && !queue_.empty()) {
        Pending& pending = queue_.front();
        iovec part{pending.bytes.data(), pending.bytes.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        if (pending.attached) {
            header.msg_control = control.data();
            header.msg_controllen = control.size();
            cmsghdr* rights = CMSG_FIRSTHDR(&header);
            rights->cmsg_level = SOL_SOCKET;
            rights->cmsg_type = SCM_RIGHTS;
            rights->cmsg_len = CMSG_LEN(sizeof(int));
            const int raw = pending.attached.get();
            std::memcpy(CMSG_DATA(rights), &raw, sizeof raw);
        }
        if (::sendmsg(fd_.get(), &header, MSG_NOSIGNAL) < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) break;
            // The peer is gone; receive() sees the end of file and reports it.
            queue_.clear();
            break;
        }
        queue_.pop_front();
    }
    if (fd_ && source_)
        (void)EventLoop::set_events(source_, queue_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void Channel::on_ready(std::uint32_t revents) {
    if ((revents & EPOLLOUT) != 0) flush();
    if ((revents & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive();
}

void Channel::receive() {
    static constexpr int kBatch = 64;           // then other sources get their turn
    std::array<std::byte, kMaxMessage> buffer;  // NOLINT: filled by recvmsg
    for (int i = 0; i < kBatch && fd_; ++i) {
        iovec part{buffer.data(), buffer.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control{};
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC);
        if (got < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) return;
            close();
            return;
        }
        Fd attached;
        for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
            const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (std::size_t k = 0; k < count; ++k) {
                int raw = -1;
                std::memcpy(&raw, CMSG_DATA(c) + k * sizeof raw, sizeof raw);
                attached.reset(raw);  // one is meant; surplus ones are closed
            }
        }
        if (got == 0) {
            close();
            return;
        }
        auto message = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
                           ? Result<Message>(fail("ipc: truncated"))
                           : decode(std::span(buffer).first(static_cast<std::size_t>(got)));
        if (!message) {
            ++malformed_;
            continue;
        }
        handler_(std::move(*message), std::move(attached));
    }
}

void Channel::close() {
    source_.reset();
    fd_.reset();
    queue_.clear();
    if (closed_) std::exchange(closed_, nullptr)();
}

}  // namespace vipd::ipc

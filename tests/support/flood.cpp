// SPDX-License-Identifier: Apache-2.0
// Sends frames as fast as it is told to, round and round: what an attacker on the link can do.
//   flood INTERFACE PER_SECOND SECONDS < FRAMES     (one frame a line, in hex)
// Says at the end how many it has sent and how long that took.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kSmallestFrame = 14;
using Clock = std::chrono::steady_clock;
using Frame = std::vector<std::uint8_t>;

std::vector<Frame> read_frames() {
    std::vector<Frame> frames;
    for (std::string line; std::getline(std::cin, line);) {
        Frame frame;
        for (std::size_t i = 0; i + 1 < line.size(); i += 2)
            frame.push_back(
                static_cast<std::uint8_t>(std::strtoul(line.substr(i, 2).c_str(), nullptr, 16)));
        if (frame.size() >= kSmallestFrame) frames.push_back(std::move(frame));
    }
    return frames;
}

int open_socket(const char* interface) {
    const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
    const int on = 1;
    (void)::setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) return -1;
    return fd;
}

void wait_until(Clock::time_point when) {
    const auto left = when - Clock::now();
    if (left <= Clock::duration::zero()) return;
    const timespec time{0, std::chrono::nanoseconds(left).count()};
    ::nanosleep(&time, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        fmt::print(stderr, "usage: flood INTERFACE PER_SECOND SECONDS < FRAMES\n");
        return 2;
    }
    const double rate = std::max(1.0, std::strtod(argv[2], nullptr));
    const std::chrono::duration<double> time(std::strtod(argv[3], nullptr));
    std::vector<Frame> frames = read_frames();
    const int fd = open_socket(argv[1]);
    if (fd < 0 || frames.empty()) {
        fmt::print(stderr, "flood: {}\n", frames.empty() ? "no frames" : std::strerror(errno));
        return 1;
    }
    std::array<iovec, kBatch> parts{};
    std::array<mmsghdr, kBatch> messages{};
    std::uint64_t sent = 0;
    std::size_t next = 0;
    const auto begin = Clock::now();
    while (Clock::now() - begin < time) {
        for (std::size_t i = 0; i < kBatch; ++i) {
            Frame& frame = frames[(next + i) % frames.size()];
            parts[i] = {.iov_base = frame.data(), .iov_len = frame.size()};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        const int done = ::sendmmsg(fd, messages.data(), kBatch, 0);
        if (done > 0) {
            sent += static_cast<std::uint64_t>(done);
            next = (next + static_cast<std::size_t>(done)) % frames.size();
        } else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR) {
            fmt::print(stderr, "flood: {}\n", std::strerror(errno));
            return 1;
        }
        const std::chrono::duration<double> due(static_cast<double>(sent) / rate);
        wait_until(begin + std::chrono::duration_cast<Clock::duration>(due));
    }
    const std::chrono::duration<double> took = Clock::now() - begin;
    fmt::print("{} {:.3f}\n", sent, took.count());
    ::close(fd);
}

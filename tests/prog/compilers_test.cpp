// SPDX-License-Identifier: Apache-2.0
// The program by every clang that is here: each one's code is another one, and the verifier has to
// take them all. libbpf alone loads it, nothing is pinned.
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace {

struct Close {
    void operator()(bpf_object* object) const { ::bpf_object__close(object); }
};

class Compilers : public ::testing::TestWithParam<const char*> {};

TEST_P(Compilers, TheVerifierTakesTheProgramOf) {
    const std::string clang = GetParam();
    if (std::system((clang + " --version > /dev/null 2>&1").c_str()) != 0)
        GTEST_SKIP() << clang << " is not installed";
    const auto folder = std::filesystem::temp_directory_path();
    const std::string object =
        (folder / ("vipd-" + std::to_string(::getpid()) + "-" + clang + ".o")).string();
    const std::string command = clang + " " VIPD_BPF_FLAGS " -c " VIPD_BPF_SOURCE " -o " + object;
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    std::string log(1 << 16, '\0');
    LIBBPF_OPTS(bpf_object_open_opts, options);
    options.kernel_log_buf = log.data();
    options.kernel_log_size = log.size();
    options.kernel_log_level = 4;  // figures, and the reason of a refusal
    const std::unique_ptr<bpf_object, Close> loaded(
        ::bpf_object__open_file(object.c_str(), &options));
    std::filesystem::remove(object);
    ASSERT_TRUE(loaded) << std::strerror(errno);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, loaded.get()) {
        if (std::string_view(::bpf_map__name(map)) == "vipd_flows")
            ::bpf_map__set_max_entries(map, 64);
    }
    const int error = ::bpf_object__load(loaded.get());
    if (error == -EPERM) GTEST_SKIP() << "needs root (CAP_BPF)";
    EXPECT_EQ(error, 0) << std::strerror(-error) << "\n" << log.c_str();
}

INSTANTIATE_TEST_SUITE_P(Versions, Compilers, ::testing::Values("clang-14", "clang-19"));

}  // namespace

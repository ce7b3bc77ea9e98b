// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/resume.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace vipd::control {
namespace {

TEST(Resume, ComesBackAsItWas) {
    Resume resume;
    EXPECT_EQ(*decode_resume(encode(resume)), resume);
    resume.vrrp = 123;
    resume.channel = 7;
    resume.states = {{"VI_1", ipc::VrrpState::Master}, {"with blanks 2", ipc::VrrpState::Fault}};
    EXPECT_EQ(*decode_resume(encode(resume)), resume);
    for (const auto* bad : {"state 4 VI", "state x VI", "state 1", "vrrp 1", "vrrp a b", "x"})
        EXPECT_FALSE(decode_resume(bad)) << bad;
}

TEST(Resume, AsksAProgramForTheLayoutItKnows) {
    std::string folder = "/tmp/vipd-resume-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const auto program = [&](const char* text) {
        const std::string path = folder + "/program";
        std::ofstream(path) << text;
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        return path;
    };
    EXPECT_EQ(*ask_abi(program("#!/bin/sh\n[ \"$1\" = --abi ] && echo 7\n")), 7U);
    EXPECT_FALSE(ask_abi(program("#!/bin/sh\necho 7 and more\n")));
    EXPECT_FALSE(ask_abi(program("#!/bin/sh\nexit 1\n")));
    EXPECT_FALSE(ask_abi(folder + "/none"));
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace vipd::control

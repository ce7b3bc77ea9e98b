// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/script_security.hpp"

#include "userspace/control/load_config.hpp"
#include "userspace/control/track_scripts.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace vipd::control {
namespace {

using std::filesystem::perms;

/// A folder of root's with a script in it: <root>/dir/script.
class ScriptSecurity : public testing::Test {
  protected:
    void SetUp() override {
        if (::getuid() != 0) GTEST_SKIP() << "needs root";
        std::filesystem::create_directories(root_ / "dir");
        std::ofstream(root_ / "dir/script") << "#!/bin/sh\n";
        for (const auto& path : {root_, root_ / "dir", root_ / "dir/script"})
            allow(path, perms(0755));
    }
    void TearDown() override { std::filesystem::remove_all(root_); }

    static void allow(const std::filesystem::path& path, perms mode) {
        std::filesystem::permissions(path, mode);
    }
    std::string path(const char* below = "dir/script") const { return (root_ / below).string(); }
    std::optional<std::string> problem(const char* below = "dir/script") const {
        return insecure_path(path(below));
    }
    std::string others(const char* below) const {
        return "others than root may change " + path(below);
    }

    const std::filesystem::path root_ =
        std::filesystem::temp_directory_path() / ("vipd-security-" + std::to_string(::getpid()));
};

TEST_F(ScriptSecurity, WhatOnlyRootCanChangeIsFine) {
    EXPECT_EQ(problem(), std::nullopt);
    EXPECT_EQ(insecure_path("/bin/sh"), std::nullopt);
}

TEST_F(ScriptSecurity, EveryElementOfThePathCounts) {
    for (const char* element : {"", "dir", "dir/script"}) {
        const std::filesystem::path changed = *element == '\0' ? root_ : root_ / element;
        const std::string refused = "others than root may change " + changed.string();
        allow(changed, perms(0777));
        EXPECT_EQ(problem(), refused);
        allow(changed, perms(0755));
        ASSERT_EQ(::chown(changed.c_str(), 65534, 0), 0);
        EXPECT_EQ(problem(), refused);
        ASSERT_EQ(::chown(changed.c_str(), 0, 65534), 0);
        allow(changed, perms(0775));
        EXPECT_EQ(problem(), refused);
        ASSERT_EQ(::chown(changed.c_str(), 0, 0), 0);
        EXPECT_EQ(problem(), std::nullopt) << "the group root is not another";
        allow(changed, perms(0755));
    }
}

TEST_F(ScriptSecurity, LinksAreFollowedThroughEachFolder) {
    std::filesystem::create_directory(root_ / "open");
    std::filesystem::create_symlink("../dir/script", root_ / "open/second");
    std::filesystem::create_symlink(root_ / "open/second", root_ / "dir/first");
    EXPECT_EQ(problem("dir/first"), std::nullopt);
    allow(root_ / "open", perms(0777));
    EXPECT_EQ(problem("dir/first"), others("open"));
    std::filesystem::create_symlink("loop", root_ / "dir/loop");
    EXPECT_EQ(problem("dir/loop"), path("dir/loop") + " cannot be followed");
}

TEST_F(ScriptSecurity, IsAskedOfRootsScriptsOnly) {
    allow(root_ / "dir", perms(0777));
    config::Script script;
    script.argv = {path()};
    EXPECT_EQ(script_insecure(script), others("dir"));
    script.user = "root";
    EXPECT_EQ(script_insecure(script), others("dir"));
    script.user = "nobody";
    EXPECT_EQ(script_insecure(script), std::nullopt);
}

TEST_F(ScriptSecurity, RefusesTheScriptOfAConfiguration) {
    const auto scripts = [&](const std::string& global) {
        const auto parsed = config::parse(
            "global_defs {\n" + global + "\n}\nvrrp_script a {\nscript " + path() + "\n}\n",
            "t.conf",
            host_environment("x"));
        return parsed.config.scripts.size();
    };
    EXPECT_EQ(scripts("enable_script_security\nscript_user root"), 1U);
    allow(root_ / "dir", perms(0777));
    EXPECT_EQ(scripts("enable_script_security\nscript_user root"), 0U);
    EXPECT_EQ(scripts("enable_script_security\nscript_user nobody"), 1U);
    EXPECT_EQ(scripts("script_user root"), 1U);
    EXPECT_EQ(scripts("script_user no-such-user-here"), 0U);
}

TEST(MakeJob, RunsAsTheUserThatTheCheckAskedFor) {
    config::Script script;
    script.argv = {"/a", "b"};
    config::GlobalDefs global;
    global.enable_script_security.value = true;
    EXPECT_EQ(make_job(script, global, Seconds(3)).user, "keepalived_script");
    global.script_user.value = "www";
    const auto job = make_job(script, global, Seconds(3));
    EXPECT_EQ(job.user, "www");
    EXPECT_EQ(job.argv, script.argv);
    EXPECT_EQ(job.timeout, Seconds(3));
}

}  // namespace
}  // namespace vipd::control

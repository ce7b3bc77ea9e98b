// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/track_objects.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>

namespace vipd::control {
namespace {

TEST(TrackFileValue, IsTheNumberAtTheBeginning) {
    EXPECT_EQ(file_value("17\n"), 17);
    EXPECT_EQ(file_value("  -3 and more"), -3);
    EXPECT_EQ(file_value("+4"), 4);
    EXPECT_EQ(file_value(""), 0);
    EXPECT_EQ(file_value("up"), 0);
    EXPECT_EQ(file_value("99999999999999999999"), 2147483647);
    EXPECT_EQ(file_value("-99999999999999999999"), -2147483648);
}

using Match = config::TrackProcess::Match;

config::TrackProcess wanted(const char* program,
                            std::vector<std::string> parameters = {},
                            Match match = Match::None) {
    config::TrackProcess process;
    process.name = "it";
    process.program.value = program;
    process.parameters = std::move(parameters);
    process.match.value = match;
    return process;
}

TEST(TrackProcessMatch, ByNameExactly) {
    EXPECT_TRUE(matches(wanted("nginx"), "nginx", {}));
    EXPECT_FALSE(matches(wanted("nginx"), "nginx2", {"nginx2"}));
    EXPECT_FALSE(matches(wanted("nginx"), "ngin", {"ngin"}));
}

TEST(TrackProcessMatch, ByPathOrALongNameOfTheCommandLine) {
    EXPECT_TRUE(matches(wanted("/usr/sbin/nginx"), "nginx", {"/usr/sbin/nginx", "-g"}));
    EXPECT_FALSE(matches(wanted("/usr/sbin/nginx"), "nginx", {"/opt/nginx"}));
    EXPECT_TRUE(matches(
        wanted("a-very-long-program-name"), "a-very-long-pro", {"/opt/a-very-long-program-name"}));
    EXPECT_FALSE(matches(wanted("a-very-long-program-name"), "a-very-long-pro", {}));
}

TEST(TrackProcessMatch, ByParameters) {
    const std::vector<std::string> line = {"java", "-jar", "server.jar", "-v"};
    EXPECT_TRUE(matches(wanted("java", {"-jar", "server.jar", "-v"}, Match::Exact), "java", line));
    EXPECT_FALSE(matches(wanted("java", {"-jar", "server.jar"}, Match::Exact), "java", line));
    EXPECT_TRUE(matches(wanted("java", {"-jar", "server.jar"}, Match::Initial), "java", line));
    EXPECT_FALSE(matches(wanted("java", {"-jar", "server"}, Match::Initial), "java", line));
    EXPECT_TRUE(matches(wanted("java", {"-jar", "server"}, Match::Partial), "java", line));
    EXPECT_FALSE(matches(wanted("java", {"-jar", "client"}, Match::Partial), "java", line));
    EXPECT_FALSE(matches(wanted("java", {"a", "b", "c", "d"}, Match::Partial), "java", line));
}

TEST(TrackProcessQuorum, HasTwoBounds) {
    EXPECT_FALSE(within_quorum(0, 1, 4294967295));
    EXPECT_TRUE(within_quorum(1, 1, 4294967295));
    EXPECT_TRUE(within_quorum(2, 1, 2));
    EXPECT_FALSE(within_quorum(3, 1, 2));
}

class TrackObjectsTest : public testing::Test {
  protected:
    TrackObjectsTest() : loop(std::move(*EventLoop::create())) {
        std::string name = (std::filesystem::temp_directory_path() / "vipd-track-XXXXXX").string();
        folder = ::mkdtemp(name.data());
    }
    ~TrackObjectsTest() override { std::filesystem::remove_all(folder); }

    void write(const std::string& name, const std::string& text) const {
        std::ofstream(folder / name) << text;
    }
    /// Runs until the last state of `name` is as wanted.
    bool wait_for(const std::string& name, std::int32_t value, bool up) {
        const auto is = [&] {
            for (auto one = reports.rbegin(); one != reports.rend(); ++one)
                if (one->name == name) return one->value == value && one->up == up;
            return false;
        };
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!is() && std::chrono::steady_clock::now() < limit)
            (void)::sd_event_run(loop.native(), 10'000);
        return is();
    }
    config::Config config_of(const std::string& text) const {
        return config::parse(text, "test.conf", {}).config;
    }
    static std::string tracking(const std::string& lists) {
        return "vrrp_instance VI_1 {\n interface lo\n virtual_router_id 1\n" + lists +
               " virtual_ipaddress {\n 10.0.0.1\n }\n}\n";
    }

    EventLoop loop;
    std::filesystem::path folder;
    std::vector<ipc::TrackerState> reports;
    TrackObjects objects{loop,
                         [this](const ipc::TrackerState& state) { reports.push_back(state); },
                         [](bool, const std::string&) {}};
};

TEST_F(TrackObjectsTest, FollowsAFileThatIsWrittenReplacedAndRemoved) {
    write("weight", "3");
    ASSERT_TRUE(
        objects.configure(config_of("track_file f {\n file \"" + folder.string() +
                                    "/weight\"\n}\n" + tracking(" track_file {\n f\n }\n"))));
    ASSERT_EQ(objects.states().size(), 1U);
    EXPECT_EQ(objects.states()[0].value, 3);
    write("weight", "-7");
    EXPECT_TRUE(wait_for("f", -7, false));
    write("new", "12");
    std::filesystem::rename(folder / "new", folder / "weight");
    EXPECT_TRUE(wait_for("f", 12, false));
    std::filesystem::remove(folder / "weight");
    EXPECT_TRUE(wait_for("f", 0, false));
}

TEST_F(TrackObjectsTest, MakesTheFileOfInitFileUnlessItIsThere) {
    write("there", "5");
    const auto config =
        config_of("track_file a {\n file \"" + folder.string() + "/made\"\n init_file 8\n}\n" +
                  "track_file b {\n file \"" + folder.string() + "/there\"\n init_file 8\n}\n" +
                  tracking(" track_file {\n a\n b\n }\n"));
    ASSERT_TRUE(objects.configure(config));
    EXPECT_EQ(objects.states()[0].value, 8);
    EXPECT_EQ(objects.states()[1].value, 5);
}

TEST_F(TrackObjectsTest, LeavesAloneWhatNobodyTracks) {
    const auto config = config_of("track_file a {\n file \"" + folder.string() +
                                  "/made\"\n init_file 8\n}\n" + tracking(""));
    ASSERT_TRUE(objects.configure(config));
    EXPECT_TRUE(objects.states().empty());
    EXPECT_FALSE(std::filesystem::exists(folder / "made"));
}

TEST_F(TrackObjectsTest, SeesAProcessComeAndGo) {
    const std::string program = (folder / "vipd-tracked").string();
    std::filesystem::copy("/bin/sleep", program);
    ASSERT_TRUE(objects.configure(config_of("vrrp_track_process p {\n process vipd-tracked\n}\n" +
                                            tracking(" track_process {\n p\n }\n"))));
    ASSERT_EQ(objects.states().size(), 1U);
    EXPECT_FALSE(objects.states()[0].up);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::execl(program.c_str(), "vipd-tracked", "60", nullptr);
        ::_exit(127);
    }
    EXPECT_TRUE(wait_for("p", 0, true));
    ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_TRUE(wait_for("p", 0, false));
}

}  // namespace
}  // namespace vipd::control

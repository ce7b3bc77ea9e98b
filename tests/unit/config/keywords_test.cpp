// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/keywords.hpp"

#include "parse_support.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace vipd::config::test {
namespace {

/// The path of keywords from the root to each block, for a file that reaches it.
std::map<Block, std::vector<const Keyword*>> paths() {
    std::map<Block, std::vector<const Keyword*>> found{{Block::Root, {}}};
    for (bool more = true; more;) {
        more = false;
        for (const auto& keyword : keywords())
            for (const auto& [block, path] : std::map(found)) {
                const bool here = (keyword.where >> static_cast<unsigned>(block) & 1U) != 0;
                if (!here || keyword.block == Block::None || found.contains(keyword.block))
                    continue;
                auto longer = path;
                longer.push_back(&keyword);
                found.emplace(keyword.block, longer);
                more = true;
            }
    }
    return found;
}

TEST(Keywords, StandOncePerBlock) {
    for (unsigned block = 0; block <= static_cast<unsigned>(Block::List); ++block) {
        std::set<std::string_view> names;
        for (const auto& keyword : keywords()) {
            if ((keyword.where >> block & 1U) == 0) continue;
            EXPECT_TRUE(names.insert(keyword.name).second) << keyword.name << " in " << block;
        }
    }
}

TEST(Keywords, EveryBlockCanBeReached) {
    const auto reachable = paths();
    for (unsigned block = 1; block <= static_cast<unsigned>(Block::List); ++block)
        EXPECT_TRUE(reachable.contains(static_cast<Block>(block))) << block;
}

// The promise that nothing is ignored in silence: each keyword that vipd does not do says so.
TEST(Keywords, ThatAreNotDoneAreReportedWhereverTheyStand) {
    const auto reachable = paths();
    int tried = 0;
    for (const auto& keyword : keywords()) {
        if (keyword.status == Status::Done) continue;
        for (const auto& [block, path] : reachable) {
            if ((keyword.where >> static_cast<unsigned>(block) & 1U) == 0) continue;
            std::string text;
            for (const auto* outer : path)
                text += std::string(outer->name) + (outer->least > 0 ? " 10.0.0.1" : "") + " {\n";
            text += std::string(keyword.name) + (keyword.block != Block::None ? " x {\n}" : " x") +
                    "\n";
            for (std::size_t i = 0; i < path.size(); ++i) text += "}\n";
            bool said = false;
            for (const auto& diagnostic : read(text).diagnostics) {
                const bool names_it = diagnostic.message.starts_with(
                    "'" + std::string(keyword.name) +
                    (keyword.status == Status::NotYet ? "' is not done" : "' has no effect: "));
                bool names_outer = false;
                for (const auto* outer : path)
                    names_outer |= diagnostic.message.starts_with("'" + std::string(outer->name) +
                                                                  "' is not done");
                said |= names_it || names_outer;
            }
            EXPECT_TRUE(said) << text;
            ++tried;
        }
    }
    EXPECT_GE(tried, 86);  // as of now; only what gets done may lower it
}

TEST(Keywords, NearestIsLookedForInTheBlockFirst) {
    EXPECT_EQ(nearest_keyword(Block::SyncGroup, "netify_backup"), "notify_backup");
    EXPECT_EQ(nearest_keyword(Block::VrrpInstance, "lvs_sync_daemon_inteface"),
              "lvs_sync_daemon_interface");
    EXPECT_EQ(nearest_keyword(Block::VrrpInstance, "macast_src_ip"), "mcast_src_ip");
    EXPECT_EQ(nearest_keyword(Block::VrrpInstance, "roter_id"), "router_id");  // of another block
    EXPECT_EQ(nearest_keyword(Block::Root, "qqqqqqqqqq"), "");
}

}  // namespace
}  // namespace vipd::config::test

// SPDX-License-Identifier: Apache-2.0
// The model as text that parses to the same model.
#include "userspace/config/writer.hpp"

#include "parse_support.hpp"
#include "userspace/config/keywords.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace vipd::config::test {
namespace {

const std::string kSeed = VIPD_SEED_DIR;

bool has_errors(const Parsed& parsed) {
    return parsed.has(Severity::Error) || parsed.has(Severity::Fatal);
}

void expect_round_trip(const Parsed& parsed) {
    const std::string text = to_text(parsed.config);
    const Parsed again = read(text);
    EXPECT_TRUE(again.config == parsed.config) << text << to_text(again.config);
}

/// The lines of a file with one statement each.
std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream file(text);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

class SeedAsText : public testing::TestWithParam<const char*> {};

TEST_P(SeedAsText, ParsesToTheSameModel) {
    const std::string text = file_text(kSeed + "/" + GetParam());
    ASSERT_FALSE(text.empty());
    expect_round_trip(read(text));
}

INSTANTIATE_TEST_SUITE_P(Files,
                         SeedAsText,
                         testing::Values("annotated.conf",
                                         "everything.conf",
                                         "master.conf",
                                         "nginx-pair.conf",
                                         "slave.conf",
                                         "../../../packaging/vipd.conf"));

TEST(Writer, TextOfAFileWithoutErrorsHasNone) {
    const Parsed parsed = read(file_text(kSeed + "/everything.conf"));
    EXPECT_FALSE(has_errors(parsed)) << testing::PrintToString(findings(parsed));
    const Parsed again = read(to_text(parsed.config));
    EXPECT_FALSE(has_errors(again)) << testing::PrintToString(findings(again));
}

TEST(Writer, EveryLineOfEverythingIsInTheModel) {
    const auto lines = lines_of(file_text(kSeed + "/everything.conf"));
    const auto without = [&](std::size_t out) {
        std::string text;
        for (std::size_t at = 0; at < lines.size(); ++at)
            if (at != out) text += lines[at] + '\n';
        return read(text);
    };
    const Config whole = without(lines.size()).config;
    for (std::size_t at = 0; at < lines.size(); ++at) {
        const std::string_view line = lines[at];
        if (line.empty() || line.starts_with('!') || line.ends_with('{') || line.ends_with('}'))
            continue;
        const Parsed less = without(at);
        EXPECT_FALSE(less.config == whole) << "the model has nothing of: " << line;
        EXPECT_TRUE(read(to_text(less.config)).config == less.config) << "without: " << line;
    }
}

TEST(Writer, EverythingHasEveryKeyword) {
    // Other names of what is there, and what says something to the lexer only.
    const std::set<std::string_view> other{"lb_algo",
                                           "lb_kind",
                                           "vrrp_track_file",
                                           "vrrp_vmac_garp_intvl",
                                           "vmac_garp_intvl",
                                           "nb_get_retry",
                                           "preempt",
                                           "lvs_sync_daemon_interface",
                                           "enable_snmp_rfc",
                                           "enable_snmp_keepalived",
                                           "neighbour_ip",
                                           "hoplimit",
                                           "delay",
                                           "thread_timer_expired",
                                           "accept",
                                           "no_checker_emails",
                                           "lvs_process_name",
                                           "vrrp_rlimit_rtime",
                                           "checker_rlimit_rtime",
                                           "bfd_rlimit_rtime",
                                           "include",
                                           "includer",
                                           "includem",
                                           "includew",
                                           "includeb",
                                           "includea",
                                           "include_check",
                                           "random_seed",
                                           "global_tracking",
                                           "host",
                                           "sh-fallback",
                                           "interface"};
    std::set<const Keyword*> seen;
    std::vector<Block> open{Block::Root};
    for (const auto& line : lines_of(file_text(kSeed + "/everything.conf"))) {
        std::string first;
        std::istringstream(line) >> first;
        if (first == "}") {
            open.pop_back();
            continue;
        }
        const Keyword* keyword =
            open.back() == Block::List ? nullptr : find_keyword(open.back(), first);
        if (keyword != nullptr) seen.insert(keyword);
        if (line.ends_with('{')) {
            ASSERT_NE(keyword, nullptr) << line;
            open.push_back(keyword->block);
        }
    }
    for (const auto& keyword : keywords()) {
        if (keyword.status == Status::NoEffect || other.contains(keyword.name)) continue;
        EXPECT_TRUE(seen.contains(&keyword)) << keyword.name;
    }
}

TEST(Writer, ValuesThatTheParserChangedStayChanged) {
    for (const char* extra : {
             "state MASTER\npriority 100\nnopreempt\npreempt_delay 5\n",
             "version 3\nauthentication {\nauth_pass abc\n}\n",
             "preempt off\n",
             "advert_int 0.4\n",
             "strict_mode\nstate MASTER\n",
             "use_vmac\nunicast_peer {\n192.0.2.1\n}\n",
             "lvs_sync_daemon_interface eth0\n",
         })
        expect_round_trip(read(instance(extra)));
    for (const char* extra : {
             "quorum 9\nreal_server 10.0.0.2 80 {\n}\n",
             "real_server 10.0.0.2 8080 {\nTCP_CHECK {\n}\n}\nreal_server 10.0.0.2 80 {\n}\n",
             "real_server 10.0.0.2 8080 {\nMISC_CHECK {\nmisc_path /bin/true\n}\n}\n",
             "delay_loop 9000\nreal_server 10.0.0.2 80 {\nMISC_CHECK {\nmisc_path "
             "/bin/true\n}\n}\n",
         })
        expect_round_trip(read(service(extra)));
}

TEST(Writer, WordsAreQuotedWhereTheyMustBe) {
    const Parsed parsed = read(
        "global_defs {\nnotification_email {\n\"@low\"\n\"$A=b\"\n\"a{b\"\n"
        "\"~SEQ(x\"\n\"include x\"\n\"\"\n\"#\"\n}\n}\n");
    ASSERT_EQ(parsed.config.global.smtp.to.size(), 7U);
    expect_round_trip(parsed);
}

TEST(Writer, SamenessIsOfValuesNotOfPlaces) {
    EXPECT_TRUE(read("\n\n" + instance("")).config == read(instance("")).config);
    EXPECT_FALSE(read(instance("priority 9")).config == read(instance("priority 8")).config);
    EXPECT_FALSE(read(instance("priority 100")).config == read(instance("")).config);
}

}  // namespace
}  // namespace vipd::config::test

// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/metrics.hpp"

#include "tests/unit/api/sample_status.hpp"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace vipd::api {
namespace {

std::string metrics_of(const control::Status& status) {
    Exposition out;
    write_metrics(out, status);
    return out.text();
}

/// The lines of `text` that begin with `start`.
std::string lines(const std::string& text, const std::string& start) {
    std::istringstream in(text);
    std::string out;
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(start)) out += line + "\n";
    return out;
}

/// What a scraper and `promtool check metrics` would refuse; empty if nothing.
std::string problems(const std::string& text) {
    static const std::regex kSample(
        R"(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\[\\"n])*"(,|(?=\})))*\})? )"
        R"((-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|NaN|[+-]Inf))");
    std::ostringstream bad;
    std::map<std::string, std::string> types;
    std::set<std::string> series, helped;
    std::string family;
    std::istringstream in(text);
    if (!text.ends_with('\n')) bad << "no newline at the end\n";
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string hash, kind, name, rest;
        if (line.starts_with("#")) {
            words >> hash >> kind >> name;
            std::getline(words >> std::ws, rest);
            if (kind == "HELP") {
                if (!helped.insert(name).second) bad << "HELP twice: " << name << "\n";
                if (rest.empty()) bad << "no help: " << name << "\n";
                family = name;
            } else if (kind == "TYPE") {
                if (name != family) bad << "TYPE without HELP: " << name << "\n";
                if (!types.emplace(name, rest).second) bad << "TYPE twice: " << name << "\n";
                if ((rest == "counter") != name.ends_with("_total"))
                    bad << "counters, and only they, end in _total: " << name << "\n";
            } else {
                bad << "strange comment: " << line << "\n";
            }
            continue;
        }
        std::smatch match;
        if (!std::regex_match(line, match, kSample)) {
            bad << "syntax: " << line << "\n";
            continue;
        }
        if (match[1] != family) bad << "outside its family: " << line << "\n";
        if (!series.insert(line.substr(0, line.rfind(' '))).second)
            bad << "twice: " << line << "\n";
    }
    return bad.str();
}

TEST(Metrics, BfdSessionsByNameAndCounter) {
    const std::string text = metrics_of(sample_status());
    EXPECT_EQ(lines(text, "vipd_bfd_"),
              "vipd_bfd_up{session=\"leaf1\"} 1\n"
              "vipd_bfd_events_total{session=\"leaf1\",event=\"packet_tx\"} 100\n"
              "vipd_bfd_events_total{session=\"leaf1\",event=\"packet_rx\"} 99\n"
              "vipd_bfd_events_total{session=\"leaf1\",event=\"down\"} 2\n");
}

TEST(MetricsSyntax, TheCheckerFindsWhatIsWrong) {
    EXPECT_EQ(problems("# HELP a b\n# TYPE a gauge\na{x=\"1\"} 2\n"), "");
    for (const auto* text : {"# HELP a b\n# TYPE a gauge\na{x=\"1\n\"} 2\n",
                             "# HELP a b\n# TYPE a gauge\na{x=\"1\"\"} 2\n",
                             "# HELP a b\n# TYPE a gauge\na{x=\"\\x\"} 2\n",
                             "# HELP a b\n# TYPE a gauge\na 1\na 1\n",
                             "# HELP a b\n# TYPE a gauge\nb 1\n",
                             "# HELP a_total b\n# TYPE a_total gauge\n",
                             "# HELP a b\n# TYPE a gauge\na 1"})
        EXPECT_NE(problems(text), "") << text;
}

TEST(Metrics, AreValidForEveryKindOfStatus) {
    EXPECT_EQ(problems(metrics_of(control::Status{})), "");
    EXPECT_EQ(problems(metrics_of(sample_status())), "");

    auto hostile = sample_status();
    hostile.node = "a\"b\\c\nd";
    hostile.instances[0].report.instance = "VI \"1\"\n";
    hostile.services[0].rates.packets = 1e300;
    // The same real twice in a service: a page with a duplicate would be refused whole.
    hostile.services[0].reals.push_back(hostile.services[0].reals[0]);
    EXPECT_EQ(problems(metrics_of(hostile)), "");
}

TEST(Metrics, EscapeLabels) {
    EXPECT_EQ(escape_label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    auto status = sample_status();
    status.node = "a\"b\\c\nd";
    EXPECT_EQ(lines(metrics_of(status), "vipd_info"),
              "vipd_info{version=\"1.2.3\",node=\"a\\\"b\\\\c\\nd\",instance_name=\"\"} 1\n");
}

TEST(Metrics, CountEachKindOfThing) {
    const auto text = metrics_of(sample_status());
    EXPECT_EQ(lines(text, "vipd_verdict_packets_total"),
              "vipd_verdict_packets_total{verdict=\"tx\"} 1000\n"
              "vipd_verdict_packets_total{verdict=\"pass_not_service\"} 0\n");
    EXPECT_EQ(lines(text, "vipd_service_"),
              "vipd_service_packets_total{service=\"10.0.0.1:80/TCP\"} 1000\n"
              "vipd_service_bytes_total{service=\"10.0.0.1:80/TCP\"} 500000\n"
              "vipd_service_connections_total{service=\"10.0.0.1:80/TCP\"} 130\n"
              "vipd_service_quorum_up{service=\"10.0.0.1:80/TCP\"} 1\n"
              "vipd_service_sorry_active{service=\"10.0.0.1:80/TCP\"} 0\n");
    const std::string service = "{service=\"10.0.0.1:80/TCP\",real=";
    EXPECT_EQ(lines(text, "vipd_real_up"),
              "vipd_real_up" + service + "\"10.1.0.2:80\",role=\"real\"} 1\n" + "vipd_real_up" +
                  service + "\"10.1.0.3:80\",role=\"real\"} 0\n" + "vipd_real_up" + service +
                  "\"10.1.0.3:80\",role=\"sorry\"} 1\n");
    EXPECT_EQ(lines(text, "vipd_real_active_connections{"),
              "vipd_real_active_connections" + service + "\"10.1.0.2:80\",role=\"real\"} 120\n" +
                  "vipd_real_active_connections" + service + "\"10.1.0.3:80\",role=\"real\"} 0\n" +
                  "vipd_real_active_connections" + service + "\"10.1.0.3:80\",role=\"sorry\"} 0\n");
    EXPECT_EQ(lines(text, "vipd_instance_state{"),
              "vipd_instance_state{vrrp_instance=\"VI_1\",interface=\"eth0\",vrid=\"51\"} 2\n"
              "vipd_instance_state{vrrp_instance=\"VI_2\",interface=\"eth9\",vrid=\"52\"} 3\n");
    EXPECT_EQ(lines(text, "vipd_instance_events_total"),
              "vipd_instance_events_total{vrrp_instance=\"VI_1\",event=\"advert_tx\"} 12\n"
              "vipd_instance_events_total{vrrp_instance=\"VI_1\",event=\"auth_failure\"} 1\n");
    EXPECT_EQ(lines(text, "vipd_sync_peer_"),
              "vipd_sync_peer_connected{peer=\"192.0.2.2:8849\"} 1\n"
              "vipd_sync_peer_synced{peer=\"192.0.2.2:8849\"} 1\n"
              "vipd_sync_peer_lag_seconds{peer=\"192.0.2.2:8849\"} 0.012\n"
              "vipd_sync_peer_flows_sent_total{peer=\"192.0.2.2:8849\"} 130\n"
              "vipd_sync_peer_flows_received_total{peer=\"192.0.2.2:8849\"} 7\n"
              "vipd_sync_peer_events_total{peer=\"192.0.2.2:8849\",event=\"reject_auth\"} 2\n");
    auto ipvs = sample_status();
    ipvs.sync.ipvs = sample_ipvs_sync();
    EXPECT_EQ(lines(metrics_of(ipvs), "vipd_ipvs_sync_running{"),
              "vipd_ipvs_sync_running{part=\"master\"} 1\n"
              "vipd_ipvs_sync_running{part=\"backup\"} 0\n");
    add_state(ipvs);
    EXPECT_EQ(lines(metrics_of(ipvs), "vipd_failover"),
              "vipd_failovers_total 4\n"
              "vipd_failover_step_seconds{vrrp_instance=\"VI_1\",step=\"detection\"} 0.3012\n"
              "vipd_failover_step_seconds{vrrp_instance=\"VI_1\",step=\"announcement\"} 0.00045\n");
    EXPECT_EQ(lines(metrics_of(ipvs), "vipd_drain_connections{"),
              "vipd_drain_connections{target=\"real 10.1.0.2:80\"} 3\n"
              "vipd_drain_connections{target=\"node\"} 0\n");
    EXPECT_EQ(lines(metrics_of(ipvs), "vipd_checkpoint_flows"), "vipd_checkpoint_flows 7\n");
    EXPECT_EQ(lines(text, "vipd_flow_table"),
              "vipd_flow_table_slots 1048576\nvipd_flow_table_used 124\n");
    EXPECT_EQ(lines(text, "vipd_process_restarts_total{role=\"check\"}"),
              "vipd_process_restarts_total{role=\"check\"} 3\n");
}

}  // namespace
}  // namespace vipd::api

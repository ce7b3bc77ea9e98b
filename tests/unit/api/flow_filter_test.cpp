// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/flow_filter.hpp"

#include "tests/unit/api/sample_status.hpp"

#include <gtest/gtest.h>

namespace vipd::api {
namespace {

constexpr std::size_t kMax = 100000;

using Parameters = std::vector<FlowFilter::Parameter>;

bool matches(const Parameters& parameters, const dataplane::Flow& flow = sample_flow()) {
    return FlowFilter::parse(parameters, kMax).value().matches(flow);
}

std::string error_of(const Parameters& parameters) {
    const auto filter = FlowFilter::parse(parameters, kMax);
    return filter ? "" : filter.error().message;
}

TEST(EndpointPattern, TakesWhatPeopleWrite) {
    const Endpoint v4{IpAddress::parse("10.0.0.5").value(), 80};
    const Endpoint v6{IpAddress::parse("2001:db8::5").value(), 80};
    const auto hit = [](const char* text, const Endpoint& endpoint) {
        return EndpointPattern::parse(text).value().matches(endpoint);
    };
    for (const auto* text : {"10.0.0.5",
                             "10.0.0.5:80",
                             "10.0.0.0/24",
                             "10.0.0.4/31",
                             ":80",
                             "0.0.0.0/0",
                             "10.0.0.0/24:80"})
        EXPECT_TRUE(hit(text, v4)) << text;
    for (const auto* text :
         {"10.0.0.6", "10.0.0.5:81", "10.0.1.0/24", "10.0.0.6/31", ":81", "::/0"})
        EXPECT_FALSE(hit(text, v4)) << text;
    for (const auto* text : {"2001:db8::5", "[2001:db8::5]:80", "[2001:db8::5]", "2001:db8::/64"})
        EXPECT_TRUE(hit(text, v6)) << text;
    for (const auto* text : {"[2001:db8::5]:81", "2001:db8:1::/64", "0.0.0.0/0"})
        EXPECT_FALSE(hit(text, v6)) << text;
    for (const auto* text : {"",
                             ":",
                             "10.0.0",
                             "10.0.0.5:",
                             "10.0.0.5:65536",
                             "10.0.0.5:8o",
                             "10.0.0.0/33",
                             "[]:80",
                             "[::1",
                             "::1]:80",
                             "example.org",
                             ":80:80"})
        EXPECT_FALSE(EndpointPattern::parse(text)) << text;
}

TEST(FlowFilter, WithoutTermsMatchesAll) {
    const auto filter = FlowFilter::parse({}, kMax).value();
    EXPECT_TRUE(filter.matches(sample_flow()));
    EXPECT_EQ(filter.limit(), FlowFilter::kDefaultLimit);
}

TEST(FlowFilter, EachTermIsAboutItsOwnColumn) {
    EXPECT_TRUE(matches({{"client", "192.0.2.77"}}));
    EXPECT_FALSE(matches({{"client", "10.0.0.1"}}));
    EXPECT_TRUE(matches({{"vip", "10.0.0.1:80"}}));
    EXPECT_FALSE(matches({{"vip", "10.1.0.2"}}));
    EXPECT_TRUE(matches({{"real", "10.1.0.2"}}));
    EXPECT_FALSE(matches({{"real", "10.0.0.1"}}));
    EXPECT_TRUE(matches({{"service", "10.0.0.1:80/tcp"}}));
    EXPECT_FALSE(matches({{"service", "10.0.0.1:80/UDP"}}));
    EXPECT_TRUE(matches({{"service", "10.0.0.1:80"}}));
    EXPECT_TRUE(matches({{"state", "established"}}));
    EXPECT_FALSE(matches({{"state", "FIN_WAIT"}}));
    EXPECT_TRUE(matches({{"protocol", "tcp"}}));
    EXPECT_FALSE(matches({{"protocol", "UDP"}}));
    EXPECT_TRUE(matches({{"synced", "false"}}));
    EXPECT_FALSE(matches({{"synced", "true"}}));
    for (const auto* any : {"192.0.2.77", "10.0.0.1", "10.1.0.2:80", ":40000"})
        EXPECT_TRUE(matches({{"any", any}})) << any;
    EXPECT_FALSE(matches({{"any", "10.7.7.7"}}));
}

TEST(FlowFilter, AllTermsMustMatch) {
    EXPECT_TRUE(matches({{"any", "10.0.0.1"}, {"any", "192.0.2.77"}, {"state", "ESTABLISHED"}}));
    EXPECT_FALSE(matches({{"any", "10.0.0.1"}, {"any", "10.7.7.7"}}));
    EXPECT_FALSE(matches({{"client", "192.0.2.77"}, {"client", "192.0.2.78"}}));
}

TEST(FlowFilter, SaysWhatIsWrong) {
    EXPECT_EQ(error_of({{"clinet", "10.0.0.1"}}),
              "unknown filter 'clinet'; did you mean 'client'?");
    EXPECT_EQ(error_of({{"vip", "web"}}),
              "vip: 'web' is not an address, ADDRESS:PORT, NETWORK/LENGTH or :PORT");
    EXPECT_EQ(error_of({{"state", "OPEN"}}),
              "state: 'OPEN' is not a connection state such as ESTABLISHED");
    EXPECT_EQ(error_of({{"limit", "100001"}}), "limit: '100001' is not a number from 0 to 100000");
    EXPECT_EQ(error_of({{"limit", "-1"}}), "limit: '-1' is not a number from 0 to 100000");
    EXPECT_EQ(error_of({{"synced", "1"}}), "synced: '1' is not true or false");
    EXPECT_EQ(error_of(Parameters(17, {"any", "10.0.0.1"})), "too many filter terms");
}

}  // namespace
}  // namespace vipd::api

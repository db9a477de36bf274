// The host's resolvers: whom to ask first, and what is known of each.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "resolve/upstreams.h"

namespace assent::resolve {
namespace {

model::Endpoint at(std::string_view ip) { return {*model::IpAddress::parse(ip), 53}; }

struct UpstreamsTest : ::testing::Test {
    UpstreamsTest() { upstreams.set({at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")}); }
    std::string order(std::string_view wanted) const {
        std::string out;
        for (const auto& one : upstreams.in_order(at(wanted))) out += one.address.to_text().back();
        return out;
    }
    Upstreams upstreams;
};

TEST_F(UpstreamsTest, are_asked_in_the_order_of_the_host_but_for_the_one_that_is_wanted) {
    EXPECT_EQ(order("8.8.8.8"), "123");
    EXPECT_EQ(order("10.0.0.2"), "213");
}

TEST_F(UpstreamsTest, that_fail_are_asked_last_until_they_answer) {
    for (int i = 0; i < 3; ++i) upstreams.failed(at("10.0.0.1"), "no answer in time");
    EXPECT_EQ(order("10.0.0.1"), "231");
    EXPECT_EQ(upstreams.status().front().last_failure, "no answer in time");
    upstreams.answered(at("10.0.0.1"), std::chrono::milliseconds(3));
    EXPECT_EQ(order("8.8.8.8"), "123");
    EXPECT_EQ(upstreams.status().front().last_time_us, 3000);
}

TEST_F(UpstreamsTest, that_stay_keep_what_is_known_of_them) {
    upstreams.asked(at("10.0.0.3"));
    upstreams.set({at("10.0.0.4"), at("10.0.0.3")});
    EXPECT_EQ(order("8.8.8.8"), "43");
    EXPECT_EQ(upstreams.status().back().asked, 1U);
    std::vector<model::Endpoint> many(limits::dns_resolvers + 3, at("10.0.0.9"));
    upstreams.set(many);
    EXPECT_EQ(upstreams.status().size(), limits::dns_resolvers);
    // What is not among them any more is no concern.
    upstreams.failed(at("10.0.0.4"), "gone");
    upstreams.answered(at("10.0.0.4"), {});
}

}  // namespace
}  // namespace assent::resolve

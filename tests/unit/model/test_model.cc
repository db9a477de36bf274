#include <gtest/gtest.h>

#include "model/address.h"
#include "model/operation.h"
#include "model/verdict.h"

namespace assent::model {
namespace {

TEST(Verdict, DeniesByDefault) {
    EXPECT_EQ(Verdict{}.decision, Decision::deny);
    EXPECT_EQ(Verdict{}.enforced(), Decision::deny);
    EXPECT_EQ(Effect{}.operation, Operation::unknown);
}

TEST(Operation, NamesAndGroups) {
    EXPECT_EQ(name_of(Operation::remove), "delete");
    EXPECT_EQ(operations_named("writes")->count(), 5U);
    EXPECT_EQ(operations_named("any")->count(), operation_count);
    EXPECT_FALSE(operations_named("selects").has_value());
    for (std::size_t i = 0; i < operation_count; ++i) {
        EXPECT_EQ(operations_named(name_of(static_cast<Operation>(i))), OperationSet().set(i));
    }
}

TEST(Address, MappedV6IsV4) {
    EXPECT_EQ(IpAddress::parse("::ffff:10.0.0.5"), IpAddress::parse("10.0.0.5"));
    EXPECT_TRUE(IpAddress::parse("127.9.9.9")->is_loopback());
    EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
    EXPECT_FALSE(IpAddress::parse("10.0.0.256").has_value());
}

TEST(Address, EndpointSurvivesTheSocketForm) {
    for (const char* text : {"10.1.2.3", "fd00::5"}) {
        const Endpoint endpoint{*IpAddress::parse(text), 5432};
        sockaddr_storage raw{};
        EXPECT_GT(endpoint.to(raw), 0U);
        EXPECT_EQ(Endpoint::from(raw), endpoint);
    }
    EXPECT_EQ((Endpoint{*IpAddress::parse("fd00::5"), 5432}.to_text()), "[fd00::5]:5432");
    EXPECT_EQ((Endpoint{{}, 0, "/run/x.sock"}.to_text()), "unix:/run/x.sock");
    sockaddr_storage raw{};
    EXPECT_EQ((Endpoint{{}, 0, "@x"}.to(raw)), sizeof(sa_family_t) + 2);
    EXPECT_EQ(raw.ss_family, AF_UNIX);
}

}  // namespace
}  // namespace assent::model

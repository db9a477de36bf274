#include <set>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "console/rate.h"
#include "console/sessions.h"
#include "console/sign_in.h"
#include "support/stopped_clock.h"

namespace assent::console {
namespace {

using namespace std::chrono_literals;
using support::StoppedClock;

struct SignedIn : ::testing::Test {
    StoppedClock clock;
    Sessions sessions{clock, 30min, 12h};

    [[nodiscard]] Login login(const std::string& person, Duration good_for, const std::string& refresh_token = "") const {
        const WallTime expires = clock.wall() + std::chrono::duration_cast<WallTime::duration>(good_for);
        return {"token of " + person, expires, expires - 1min, refresh_token, "nonce", 0};
    }
    std::string open(const std::string& person = "ana", Duration good_for = 24h) {
        return sessions.open(login(person, good_for), person);
    }
};

TEST_F(SignedIn, EachSessionHasAnIdOfItsOwnThatNobodyCanGuess) {
    std::set<std::string> ids;
    for (int i = 0; i < 10; ++i) ids.insert(open("person " + std::to_string(i)));
    EXPECT_EQ(ids.size(), 10U);
    for (const auto& id : ids) EXPECT_EQ(id.size(), 64U);
    EXPECT_FALSE(sessions.use("").has_value());
    EXPECT_FALSE(sessions.use(std::string(64, '0')).has_value());
}

TEST_F(SignedIn, ASessionThatNobodyUsesEnds) {
    const auto id = open();
    clock.move(29min);
    ASSERT_TRUE(sessions.use(id).has_value());
    clock.move(29min);
    EXPECT_TRUE(sessions.is_open(id)) << "it was used in between";
    clock.move(2min);
    EXPECT_FALSE(sessions.is_open(id)) << "looking whether it is open is not using it";
}

TEST_F(SignedIn, ASessionEndsAfterTheLongestTimeHoweverOftenItIsUsed) {
    const auto id = open();
    for (int i = 0; i < 47; ++i) {
        clock.move(15min);
        ASSERT_TRUE(sessions.use(id).has_value()) << i;
    }
    clock.move(16min);
    EXPECT_FALSE(sessions.use(id).has_value());
}

TEST_F(SignedIn, ASessionEndsWithItsToken) {
    const auto id = open("ana", 10min);
    clock.move(9min);
    EXPECT_TRUE(sessions.use(id).has_value());
    clock.move(1min);
    EXPECT_FALSE(sessions.use(id).has_value());
}

TEST_F(SignedIn, ASessionThatCanBeRenewedOutlivesItsToken) {
    const auto id = sessions.open(login("ana", 10min, "again"), "ana");
    EXPECT_FALSE(sessions.begin_renewal(id)) << "it is good for long";
    clock.move(11min);
    ASSERT_TRUE(sessions.look(id).has_value());
    ASSERT_TRUE(sessions.begin_renewal(id));
    EXPECT_FALSE(sessions.begin_renewal(id)) << "one at a time";
    EXPECT_TRUE(sessions.end_renewal(id, login("ana", 20min, "and again"), true));
    EXPECT_EQ(sessions.use(id)->login.refresh_token, "and again");
    clock.move(13h);
    EXPECT_FALSE(sessions.look(id).has_value()) << "as long as it would have lasted";
}

TEST_F(SignedIn, AProviderIsAskedAgainAfterAWhile) {
    const auto id = sessions.open(login("ana", 30s, "again"), "ana");
    ASSERT_TRUE(sessions.begin_renewal(id));
    EXPECT_TRUE(sessions.end_renewal(id, login("ana", 30s, "again"), false));
    EXPECT_FALSE(sessions.begin_renewal(id));
    clock.move(limits::console_renewed_again_after);
    EXPECT_TRUE(sessions.begin_renewal(id));
    sessions.end(id);
    EXPECT_FALSE(sessions.end_renewal(id, login("ana", 30s, "again"), true)) << "somebody signed out meanwhile";
    EXPECT_FALSE(sessions.await_renewal(id).has_value());
}

TEST_F(SignedIn, LookingIsNotUsing) {
    const auto id = sessions.open(login("ana", 24h, "again"), "ana");
    for (int i = 0; i < 3; ++i) {
        clock.move(14min);
        EXPECT_EQ(sessions.look(id).has_value(), i < 2) << i;
    }
}

TEST_F(SignedIn, APersonHasSoManySessionsAndOthersAreLeftAlone) {
    const auto other = open("ben");
    clock.move(1s);
    const auto first = open("ana");
    for (std::size_t i = 1; i < limits::console_sessions_per_person; ++i) {
        clock.move(1s);
        (void)open("ana");
    }
    EXPECT_TRUE(sessions.is_open(first));
    clock.move(1s);
    const auto last = open("ana");
    EXPECT_FALSE(sessions.is_open(first));
    EXPECT_TRUE(sessions.is_open(last));
    EXPECT_TRUE(sessions.is_open(other));
}

TEST_F(SignedIn, WhatWasEndedIsOver) {
    const auto id = open();
    sessions.end(id);
    EXPECT_FALSE(sessions.use(id).has_value());
    EXPECT_EQ(sessions.count(), 0U);
}

TEST(Rate, ABurstPassesAndThenSoManyASecond) {
    StoppedClock clock;
    Rate rate(clock, 2, 5, 100);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(rate.take("a"));
    EXPECT_FALSE(rate.take("a"));
    EXPECT_TRUE(rate.take("b")) << "others have a bucket of their own";
    clock.move(1s);
    EXPECT_TRUE(rate.take("a"));
    EXPECT_TRUE(rate.take("a"));
    EXPECT_FALSE(rate.take("a"));
}

TEST(Rate, KeysThatHaveNoRoomShareOneBucket) {
    StoppedClock clock;
    Rate rate(clock, 1, 2, 3);
    for (const char* key : {"a", "b", "c"}) EXPECT_TRUE(rate.take(key));
    EXPECT_TRUE(rate.take("d"));
    EXPECT_TRUE(rate.take("e"));
    EXPECT_FALSE(rate.take("f"));
    clock.move(10s);
    EXPECT_TRUE(rate.take("g")) << "those that are full again are forgotten";
}

// RFC 7636, appendix B.
TEST(SignIn, TheChallengeIsOfTheVerifier) {
    EXPECT_EQ(challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

TEST(SignIn, NobodyIsSentToAnotherPlace) {
    EXPECT_EQ(place_within("/holds/h-7k2mq4"), "/holds/h-7k2mq4");
    EXPECT_EQ(place_within("/sessions?live=true&agent=a"), "/sessions?live=true&agent=a");
    for (const char* place : {"", "holds", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example",
                              "/a\r\nSet-Cookie: x", "/sign-in?return=/", "javascript:alert(1)", "/@evil.example", "/a#b"}) {
        EXPECT_EQ(place_within(place), "/") << place;
    }
    EXPECT_EQ(place_within("/" + std::string(600, 'a')), "/");
}

}  // namespace
}  // namespace assent::console

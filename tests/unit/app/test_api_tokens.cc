#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "app/api_tokens.h"
#include "app/view_rights.h"
#include "support/stopped_clock.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;
using assent::support::StoppedClock;
using nlohmann::json;

struct Tokens : ::testing::Test {
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "assent-tokens-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
        open();
    }
    void TearDown() override { std::filesystem::remove_all(folder); }
    void open() {
        auto opened = ApiTokens::open(folder, clock);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        tokens = std::move(*opened);
    }
    json create(const std::string& name, std::vector<std::string> scopes = {"holds"}, std::chrono::seconds lifetime = 0s) {
        auto made = tokens->create({name, std::move(scopes), "root", lifetime});
        EXPECT_TRUE(made.has_value());
        return made ? *made : json();
    }
    [[nodiscard]] std::string stored() const {
        std::ifstream in(folder / "api-tokens.json");
        return {std::istreambuf_iterator<char>(in), {}};
    }

    std::filesystem::path folder;
    StoppedClock clock;
    std::unique_ptr<ApiTokens> tokens;
};

TEST_F(Tokens, OneIsKnownByItsSecretWhichIsStoredNowhere) {
    const auto made = create("dashboard", {"holds", "status"});
    const auto secret = made["token"].get<std::string>();
    EXPECT_TRUE(ApiTokens::is_one(secret));
    EXPECT_EQ(stored().find(secret.substr(8)), std::string::npos);
    open();  // after a restart
    const auto person = tokens->identify(secret);
    ASSERT_TRUE(person.has_value());
    EXPECT_EQ(person->name, "token:dashboard");
    EXPECT_EQ(person->issuer, "assent") << "so nobody takes the name for a unix user";
    EXPECT_EQ(person->scopes, (std::vector<std::string>{"holds", "status"}));
    for (const std::string& wrong :
         {secret + "0", secret.substr(0, secret.size() - 1), std::string("assent_"), made["id"].get<std::string>()})
        EXPECT_FALSE(tokens->identify(wrong).has_value()) << wrong;
    EXPECT_EQ(std::filesystem::status(folder / "api-tokens.json").permissions() & std::filesystem::perms(077),
              std::filesystem::perms::none);
}

TEST_F(Tokens, OneEndsWhenItExpiresOrIsRevoked) {
    const auto brief = create("brief", {"holds"}, 1h)["token"].get<std::string>();
    const auto revoked = create("revoked");
    clock.move(59min);
    EXPECT_TRUE(tokens->identify(brief).has_value());
    clock.move(1min);
    EXPECT_FALSE(tokens->identify(brief).has_value());
    open();
    EXPECT_FALSE(tokens->identify(brief).has_value());
    ASSERT_TRUE(tokens->revoke("revoked").has_value());
    EXPECT_FALSE(tokens->identify(revoked["token"].get<std::string>()).has_value());
    EXPECT_FALSE(tokens->revoke("revoked").has_value());
    open();
    EXPECT_EQ(tokens->list().size(), 1U);
}

TEST_F(Tokens, WhatIsNoWishIsRefused) {
    create("taken");
    for (const ApiTokens::Wish& wish :
         {ApiTokens::Wish{"taken", {"holds"}, "root", 0s}, ApiTokens::Wish{"", {"holds"}, "root", 0s},
          ApiTokens::Wish{"a b", {"holds"}, "root", 0s}, ApiTokens::Wish{"a", {}, "root", 0s},
          ApiTokens::Wish{"a", {"approve"}, "root", 0s}, ApiTokens::Wish{"a", {"holds"}, "root", -1s},
          ApiTokens::Wish{"a", {"holds"}, "root", std::chrono::hours(24 * 365 * 20)}}) {
        EXPECT_FALSE(tokens->create(wish).has_value()) << wish.name;
    }
}

TEST_F(Tokens, AFileThatIsNotOursIsNotTakenForAnEmptyOne) {
    std::ofstream(folder / "api-tokens.json") << "{\"tokens\": [{}]}";
    EXPECT_FALSE(ApiTokens::open(folder, clock).has_value());
}

TEST(Scopes, CoverTheirVerbsAndNoOther) {
    EXPECT_TRUE(scopes_cover({"holds"}, "holds"));
    EXPECT_TRUE(scopes_cover({"holds", "end"}, "end"));
    EXPECT_TRUE(scopes_cover({"status"}, "me"));
    EXPECT_FALSE(scopes_cover({"holds"}, "sessions"));
    const std::vector<std::string> all = {"holds", "records", "policy", "status", "end"};
    for (const char* verb : {"approve", "deny", "token.create", "token.list", "token.revoke", "policy.reload", "detach",
                             "upgrade", "govern", "notices", "notices.report", "run", "", "anything new"}) {
        EXPECT_FALSE(scopes_cover(all, verb)) << verb;
    }
}

TEST(Rights, ATokenNeverMakesRoot) {
    control::Peer peer;
    const DecideLists lists{{{"ana"}, {"dba"}, {.by_token = true, .by_unix = true}}, {"vic"}, {"auditors"}};
    EXPECT_TRUE(is_host_root(peer)) << "root of this host";
    peer.person.issuer = "https://idp.example";
    peer.person.name = "root";
    EXPECT_FALSE(is_host_root(peer)) << "somebody whose token root's own process carries";
    EXPECT_FALSE(may_view(peer, lists));
    peer.person.name = "vic";
    EXPECT_TRUE(may_view(peer, lists));
    EXPECT_FALSE(may_decide_here(peer, lists));
    peer.person.name = "somebody";
    peer.person.groups = {"dba"};
    EXPECT_TRUE(may_view(peer, lists) && may_decide_here(peer, lists));
    peer.person.is_governed = true;
    EXPECT_FALSE(may_view(peer, lists) || may_decide_here(peer, lists)) << "an agent, whatever it shows";
}

}  // namespace
}  // namespace assent::app

// How a provider is asked: seldom, whatever tokens come; and what goes on while it does not answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/limits.h"
#include "identity/key_cache.h"
#include "identity_provider.h"

namespace assent::identity {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using support::LocalProvider;
using support::SigningKey;
using ::testing::HasSubstr;

class Providers : public ::testing::Test {
protected:
    std::string token(const SigningKey& key) const {
        return key.token(
            {{"iss", provider.issuer()}, {"aud", "assent"}, {"sub", "s"}, {"exp", provider.seconds() + 100'000}});
    }
    std::string why_not(const SigningKey& key) const {
        const auto result = provider.verify(token(key));
        return result ? "it was taken" : result.error().message;
    }

    SigningKey first{"ES256", "first"};
    SigningKey second{"EdDSA", "second"};
    LocalProvider provider{{first.public_jwk()}};
};

TEST_F(Providers, AreAskedOnceForManyTokens) {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(provider.verify(token(first)).has_value());
    EXPECT_EQ(provider.key_requests(), 1);
    EXPECT_TRUE((*provider).is_answering());
    EXPECT_EQ((*provider).metadata()->token_endpoint, provider.issuer() + "/token");
}

TEST_F(Providers, MayTakeANewKeyWhileTheyAreUsed) {
    EXPECT_TRUE(provider.verify(token(first)).has_value());
    provider.set_keys({first.public_jwk(), second.public_jwk()});
    EXPECT_TRUE(provider.verify(token(second)).has_value());
    provider.set_keys({second.public_jwk()});
    EXPECT_TRUE(provider.verify(token(first)).has_value()) << "the set was fetched a moment ago";
    provider.clock().move(limits::provider_keys_fresh_usual);
    EXPECT_THAT(why_not(first), HasSubstr("does not have"));
    EXPECT_THAT(why_not(first), HasSubstr("does not have"));
    EXPECT_THAT(why_not(first), HasSubstr("try again")) << "it has been asked three times";
    EXPECT_TRUE(provider.verify(token(second)).has_value());
}

TEST_F(Providers, AreNotHammeredByForgedKeys) {
    EXPECT_TRUE(provider.verify(token(first)).has_value());
    for (int i = 0; i < 100; ++i) EXPECT_THAT(why_not(SigningKey("EdDSA", "forged" + std::to_string(i))), HasSubstr("key"));
    EXPECT_LE(provider.key_requests(), 1 + static_cast<int>(limits::provider_asks));
    const int before = provider.key_requests();
    provider.clock().move(limits::provider_refetch_interval);
    for (int i = 0; i < 20; ++i) (void)why_not(second);
    EXPECT_EQ(provider.key_requests(), before + 1);
    // Nor by bad signatures of keys that are known.
    provider.clock().move(1min);
    const int later = provider.key_requests();
    for (int i = 0; i < 20; ++i) (void)why_not(SigningKey("ES256", "first"));
    EXPECT_EQ(provider.key_requests(), later);
}

TEST_F(Providers, AreAskedByOneThreadForAll) {
    std::vector<std::thread> threads;
    std::atomic<int> taken = 0;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            if (provider.verify(token(first))) ++taken;
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(taken, 8);
    EXPECT_EQ(provider.key_requests(), 1);
}

TEST_F(Providers, ThatAreDownGoOnForABoundedTime) {
    EXPECT_TRUE(provider.verify(token(first)).has_value());
    provider.stop();
    provider.clock().move(limits::provider_keys_fresh_most);
    EXPECT_TRUE(provider.verify(token(first)).has_value());
    EXPECT_FALSE((*provider).is_answering());
    provider.clock().move(limits::provider_keys_kept);
    EXPECT_THAT(why_not(first), HasSubstr("cannot be asked"));
    provider.remake();
    EXPECT_THAT(why_not(first), HasSubstr("cannot be asked"));
}

TEST_F(Providers, AreTheOnesThatTheySay) {
    provider.claim_issuer("https://other.example");
    EXPECT_THAT(why_not(first), HasSubstr("other.example"));
}

TEST_F(Providers, SendNobodyToOtherPlaces) {
    provider.change({{"jwks_uri", "http://192.0.2.1/keys"}});
    EXPECT_THAT(why_not(first), HasSubstr("not https"));
    provider.remake();
    provider.change({{"jwks_uri", "file:///etc/passwd"}});
    EXPECT_THAT(why_not(first), HasSubstr("not an https URL"));
    provider.remake();
    provider.change({{"jwks_uri", nullptr}});
    EXPECT_THAT(why_not(first), HasSubstr("jwks_uri"));
}

TEST_F(Providers, WithKeySetsThatAreNone) {
    for (const std::string& text :
         {std::string("<html>"), std::string(limits::provider_answer + 1, ' '), std::string("{}")}) {
        provider.set_key_text(text);
        provider.remake();
        EXPECT_THAT(why_not(first), HasSubstr("cannot be asked"));
    }
}

TEST_F(Providers, TakeForms) {
    const auto endpoint = (*provider).metadata()->token_endpoint;
    const FormFields fields{{"grant_type", "urn:x:y"}, {"scope", "a b&c"}};
    auto answer = (*provider).post_form(endpoint, fields, {"assent", ""});
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(answer->body["form"], (json{{"grant_type", "urn:x:y"}, {"scope", "a b&c"}, {"client_id", "assent"}}));
    answer = (*provider).post_form(endpoint, {}, {"a:b", "s cret"});
    EXPECT_EQ(answer->body["authorization"], "Basic YSUzQWI6cyUyMGNyZXQ=");
    EXPECT_FALSE(answer->body.contains("form"));
    EXPECT_EQ((*provider).post_form(endpoint, {{"fails", "1"}}, {})->status, 400);
    EXPECT_FALSE((*provider).post_form(endpoint, {{"text", "1"}}, {}).has_value());
    EXPECT_FALSE((*provider).post_form("http://192.0.2.1/token", fields, {}).has_value());
}

TEST(Freshness, IsBounded) {
    EXPECT_EQ(freshness(""), limits::provider_keys_fresh_usual);
    EXPECT_EQ(freshness("public, max-age=300"), 300s);
    EXPECT_EQ(freshness("max-age=0"), limits::provider_keys_fresh_least);
    EXPECT_EQ(freshness("max-age=3600, no-store"), limits::provider_keys_fresh_least);
    EXPECT_EQ(freshness("max-age=31536000"), limits::provider_keys_fresh_most);
    EXPECT_EQ(freshness("max-age=99999999999999999999"), limits::provider_keys_fresh_most);
    EXPECT_EQ(freshness("max-age=soon"), limits::provider_keys_fresh_usual);
}

TEST(Urls, OfIssuers) {
    for (const char* good : {"https://idp.example.com", "https://idp.example.com:8443/realms/x", "http://127.0.0.1:9000",
                             "http://localhost", "http://[::1]:80/x", "https://IDP.example"})
        EXPECT_TRUE(parse_issuer(good).has_value()) << good;
    for (const char* bad :
         {"", "idp.example.com", "http://idp.example.com", "https://", "https://a b", "https://user@idp.example",
          "https://idp.example/#x", "https://idp.example/?q", "https://idp.example:0", "https://idp.example:99999",
          "ftp://idp.example", "http://127.evil.example", "http://localhost.evil.example", "https://[::1",
          "https://idp.example:80x", "https:///x", "https://idp.example\r\nX: y"})
        EXPECT_FALSE(parse_issuer(bad).has_value()) << bad;
    EXPECT_EQ(parse_url("https://[::1]:8443/a?b=c")->origin(), "https://[::1]:8443");
    EXPECT_EQ(parse_url("https://idp.example?b=c")->path, "/?b=c");
}

}  // namespace
}  // namespace assent::identity

// Tokens, good and forged, against the keys of a provider that is asked over loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/limits.h"
#include "identity_provider.h"

namespace assent::identity {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using support::base64url;
using support::compact;
using support::hmac_token;
using support::LocalProvider;
using support::SigningKey;
using ::testing::HasSubstr;
using ::testing::Not;

class Tokens : public ::testing::TestWithParam<const char*> {
protected:
    json claims(json changes = json::object()) const {
        json out{{"iss", provider.issuer()},
                 {"aud", "assent"},
                 {"sub", "svc:migrator"},
                 {"iat", provider.seconds()},
                 {"exp", provider.seconds() + 600}};
        out.merge_patch(changes);
        return out;
    }
    std::string why_not(const std::string& token) const {
        const auto result = provider.verify(token);
        EXPECT_FALSE(result.has_value()) << token;
        if (result) return "it was taken";
        EXPECT_THAT(result.error().message, Not(HasSubstr(token.empty() ? "\x01" : token)));
        return result.error().message;
    }

    SigningKey key{"ES256", "one"};
    SigningKey rsa{"RS256", "two"};
    LocalProvider provider{{key.public_jwk(), rsa.public_jwk()}};
};

TEST_P(Tokens, OfEachAlgorithmAreTakenAndChangedOnesAreNot) {
    const SigningKey own(GetParam(), "own");
    provider.set_keys({own.public_jwk()});
    const std::string token = own.token(claims());
    const auto taken = provider.verify(token);
    ASSERT_TRUE(taken.has_value()) << taken.error().message;
    EXPECT_EQ(taken->subject, "svc:migrator");
    for (std::size_t at = 0; at < token.size(); at += 7) {
        std::string changed = token;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(provider.verify(changed).has_value()) << at;
    }
    for (std::size_t size = 0; size < token.size(); size += 5)
        EXPECT_FALSE(provider.verify(token.substr(0, size)).has_value()) << size;
}
INSTANTIATE_TEST_SUITE_P(All, Tokens, ::testing::Values("RS256", "PS256", "ES256", "ES384", "EdDSA"));

using Forged = Tokens;

TEST_F(Forged, WithoutASignature) {
    EXPECT_THAT(why_not(compact(R"({"alg":"none"})", claims().dump(), "")), HasSubstr("'none'"));
    EXPECT_THAT(why_not(compact(R"({"alg":"nOnE","kid":"one"})", claims().dump(), "x")), HasSubstr("algorithm"));
    EXPECT_THAT(why_not(compact(R"({"alg":"ES256","kid":"one"})", claims().dump(), "")), HasSubstr("no signature"));
    EXPECT_THAT(why_not(compact(R"({"kid":"one"})", claims().dump(), "x")), HasSubstr("no algorithm"));
    EXPECT_THAT(why_not(compact(R"({"alg":["ES256"],"kid":"one"})", claims().dump(), "x")), HasSubstr("no algorithm"));
}

TEST_F(Forged, WithThePublicKeyAsASecret) {
    const std::string header = R"({"alg":"HS256","kid":"two"})";
    EXPECT_THAT(why_not(hmac_token(header, claims().dump(), rsa.public_pem())), HasSubstr("'HS256'"));
    EXPECT_THAT(why_not(hmac_token(header, claims().dump(), rsa.public_jwk().dump())), HasSubstr("'HS256'"));
    EXPECT_THAT(why_not(hmac_token(R"({"alg":"RS256","kid":"two"})", claims().dump(), rsa.public_pem())),
                HasSubstr("signature"));
}

TEST_F(Forged, ByAnotherKeyOrWithAnotherKeysAlgorithm) {
    const SigningKey other("ES256", "one");
    EXPECT_THAT(why_not(other.token(claims())), HasSubstr("signature"));
    EXPECT_THAT(why_not(key.token(claims(), {{"alg", "RS256"}})), HasSubstr("signature"));
    EXPECT_THAT(why_not(key.token(claims(), {{"kid", "two"}})), HasSubstr("signature"));
    EXPECT_THAT(why_not(key.token(claims(), {{"alg", "ES384"}})), HasSubstr("signature"));
    EXPECT_THAT(why_not(rsa.token(claims(), {{"alg", "PS256"}})), HasSubstr("signature"));
    EXPECT_THAT(why_not(rsa.token(claims(), {{"alg", "EdDSA"}})), HasSubstr("signature"));
}

TEST_F(Forged, KeysThatTheTokenBringsAreNotLookedAt) {
    const SigningKey own("ES256", "mine");
    const json jwk = own.public_jwk();
    EXPECT_THAT(why_not(own.token(claims(), {{"jwk", jwk}})), HasSubstr("key that"));
    EXPECT_THAT(why_not(own.token(claims(), {{"jwk", jwk}, {"kid", nullptr}})), HasSubstr("signature"));
    const std::string url = provider.issuer() + "/other-keys";
    EXPECT_THAT(why_not(own.token(claims(), {{"jku", url}})), HasSubstr("key that"));
    EXPECT_THAT(why_not(own.token(claims(), {{"x5u", url}, {"x5c", json::array({"MIIB"})}})), HasSubstr("key that"));
    EXPECT_EQ(provider.other_requests(), 0);
    // And what a good token brings of them changes nothing.
    EXPECT_TRUE(provider.verify(key.token(claims(), {{"jwk", jwk}, {"jku", url}})).has_value());
    EXPECT_EQ(provider.other_requests(), 0);
}

TEST_F(Forged, SignaturesInDerAreNoSignatures) {
    const std::string signed_part = base64url(R"({"alg":"ES256","kid":"one"})") + "." + base64url(claims().dump());
    EXPECT_TRUE(provider.verify(signed_part + "." + base64url(key.sign(signed_part, "ES256"))).has_value());
    EXPECT_THAT(why_not(signed_part + "." + base64url(key.sign(signed_part, "ES256", true))), HasSubstr("signature"));
    EXPECT_THAT(why_not(signed_part + "." + base64url(std::string(64, '\0'))), HasSubstr("signature"));
    EXPECT_THAT(why_not(signed_part + "." + base64url(std::string(64, '\xff'))), HasSubstr("signature"));
}

TEST_F(Forged, HeadersThatWantToBeUnderstood) {
    for (const char* name : {"crit", "b64", "cty", "zip", "enc"})
        EXPECT_THAT(why_not(key.token(claims(), {{name, "JWT"}})), HasSubstr(name));
    for (const char* type : {"logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE", ""})
        EXPECT_THAT(why_not(key.token(claims(), {{"typ", type}})), HasSubstr("type"));
    for (const char* type : {"jwt", "at+jwt", "application/at+JWT", "application/jwt"})
        EXPECT_TRUE(provider.verify(key.token(claims(), {{"typ", type}})).has_value()) << type;
    EXPECT_TRUE(provider.verify(key.token(claims(), {{"typ", nullptr}})).has_value());
    EXPECT_THAT(why_not(key.token(claims(), {{"kid", 1}})), HasSubstr("kid"));
    EXPECT_THAT(why_not(key.token(claims(), {{"kid", std::string(1000, 'k')}})), HasSubstr("kid"));
}

TEST_F(Forged, FormsThatTwoReadersWouldReadDifferently) {
    const std::string good = key.token(claims());
    const auto sign = [&](const std::string& header, const std::string& payload) {
        const std::string part = base64url(header) + "." + base64url(payload);
        return part + "." + base64url(key.sign(part, "ES256"));
    };
    const std::string header = R"({"alg":"ES256","kid":"one"})";
    EXPECT_TRUE(provider.verify(sign(header, claims().dump())).has_value());
    std::string twice = claims().dump();
    twice.insert(1, R"("sub":"root",)");
    EXPECT_THAT(why_not(sign(header, twice)), HasSubstr("twice"));
    EXPECT_THAT(why_not(sign(R"({"alg":"none","alg":"ES256","kid":"one"})", claims().dump())), HasSubstr("twice"));
    EXPECT_THAT(why_not(sign(header, claims({{"act", {{"sub", "x"}}}}).dump().replace(1, 0, R"("n":{"a":1,"\u0061":2},)"))),
                HasSubstr("twice"));
    EXPECT_THAT(why_not(sign(header, claims().dump() + "{}")), HasSubstr("payload"));
    EXPECT_THAT(why_not(sign(header, "[]")), HasSubstr("payload"));
    EXPECT_THAT(why_not(sign(header, claims().dump() + "\xff")), HasSubstr("payload"));
    EXPECT_THAT(why_not(sign(header, std::string(40, '[') + std::string(40, ']'))), HasSubstr("deeply"));
    for (const std::string& text : {good + "=", good + ".", good + ".x", "." + good, " " + good, good + "\n", good + "A",
                                    std::string(".."), std::string(), std::string("a.b"), good.substr(good.find('.'))})
        (void)why_not(text);
}

TEST_F(Forged, LargeAndNestedOnes) {
    EXPECT_THAT(why_not(key.token(claims({{"pad", std::string(limits::token_size, 'x')}}))), HasSubstr("larger"));
    const std::string inner = key.token(claims());
    EXPECT_THAT(why_not(key.token(inner, {{"cty", "JWT"}})), HasSubstr("cty"));
    EXPECT_THAT(why_not(key.token(inner)), HasSubstr("payload"));
    json act{{"sub", "last"}};
    for (std::size_t i = 1; i < limits::token_actors; ++i) act = {{"sub", "actor"}, {"act", act}};
    EXPECT_TRUE(provider.verify(key.token(claims({{"act", act}}))).has_value());
    EXPECT_THAT(why_not(key.token(claims({{"act", {{"sub", "one more"}, {"act", act}}}}))), HasSubstr("actors"));
}

class ClaimsOf : public Tokens {};

TEST_F(ClaimsOf, AudienceAndIssuer) {
    EXPECT_THAT(why_not(key.token(claims({{"aud", "other"}}))), HasSubstr("for 'other'"));
    EXPECT_THAT(why_not(key.token(claims({{"aud", "assent2"}}))), HasSubstr("not for 'assent'"));
    EXPECT_THAT(why_not(key.token(claims({{"aud", nullptr}}))), HasSubstr("audience"));
    EXPECT_THAT(why_not(key.token(claims({{"aud", json::array()}}))), HasSubstr("aud"));
    EXPECT_THAT(why_not(key.token(claims({{"aud", {{"assent", 1}}}}))), HasSubstr("aud"));
    EXPECT_THAT(why_not(key.token(claims({{"aud", json::array({"other", 1, "assent"})}}))), HasSubstr("aud"));
    EXPECT_TRUE(provider.verify(key.token(claims({{"aud", json::array({"other", "assent"})}}))).has_value());
    EXPECT_THAT(why_not(key.token(claims({{"iss", provider.issuer() + "/"}}))), HasSubstr("from"));
    EXPECT_THAT(why_not(key.token(claims({{"iss", "https://other.example"}}))), HasSubstr("other.example"));
    EXPECT_THAT(why_not(key.token(claims({{"iss", nullptr}}))), HasSubstr("from"));
    for (const json& subject : {json(), json(""), json(1), json(std::string(300, 's'))})
        (void)why_not(key.token(claims({{"sub", subject}})));
}

TEST_F(ClaimsOf, TimesWithinTheSkew) {
    const auto now = provider.seconds();
    EXPECT_THAT(why_not(key.token(claims({{"exp", now - 60}}))), HasSubstr("expired"));
    EXPECT_TRUE(provider.verify(key.token(claims({{"exp", now - 59}}))).has_value());
    EXPECT_THAT(why_not(key.token(claims({{"exp", nullptr}}))), HasSubstr("exp"));
    for (const json& time : {json("soon"), json(-5), json(1e300), json(true)}) {
        EXPECT_THAT(why_not(key.token(claims({{"exp", time}}))), HasSubstr("exp"));
        EXPECT_THAT(why_not(key.token(claims({{"nbf", time}}))), HasSubstr("nbf"));
    }
    EXPECT_TRUE(provider.verify(key.token(claims({{"exp", static_cast<double>(now) + 0.5}}))).has_value());
    EXPECT_THAT(why_not(key.token(claims({{"nbf", now + 61}}))), HasSubstr("nbf"));
    EXPECT_TRUE(provider.verify(key.token(claims({{"nbf", now + 60}}))).has_value());
    EXPECT_THAT(why_not(key.token(claims({{"iat", now + 61}}))), HasSubstr("clock"));
}

TEST_F(ClaimsOf, IdTokensAreOfTheClientThatAsked) {
    const Expected login{.audience = "cli", .is_id_token = true, .nonce = "n-1"};
    const json good{{"aud", "cli"}, {"nonce", "n-1"}};
    EXPECT_TRUE(provider.verify(key.token(claims(good)), login).has_value());
    const auto refused = [&](const json& changes, const json& header = {}) {
        json whole = claims(good);
        whole.merge_patch(changes);
        const auto result = provider.verify(key.token(whole, header), login);
        return result ? std::string("it was taken") : result.error().message;
    };
    EXPECT_THAT(refused({{"nonce", "n-2"}}), HasSubstr("nonce"));
    EXPECT_THAT(refused({{"nonce", nullptr}}), HasSubstr("nonce"));
    EXPECT_THAT(refused({{"azp", "other"}}), HasSubstr("azp"));
    EXPECT_THAT(refused({{"aud", json::array({"cli", "other"})}}), HasSubstr("azp"));
    EXPECT_EQ(refused({{"aud", json::array({"cli", "other"})}, {"azp", "cli"}}), "it was taken");
    EXPECT_THAT(refused({{"iat", nullptr}}), HasSubstr("iat"));
    EXPECT_THAT(refused(json::object(), {{"typ", "at+jwt"}}), HasSubstr("access token"));
    EXPECT_THAT(refused({{"events", {{"http://schemas.openid.net/event/backchannel-logout", json::object()}}}}),
                HasSubstr("logout"));
}

TEST_F(ClaimsOf, ActorsGroupsAndNestedValues) {
    const json changes{{"act", {{"sub", "bot"}, {"act", {{"sub", "runner"}, {"iss", "https://ci.example"}}}}},
                       {"groups", json::array({"dba", "oncall", 3})},
                       {"realm", {{"roles", json::array({"x"})}, {"on", true}}}};
    const auto taken = provider.verify(key.token(claims(changes)));
    ASSERT_TRUE(taken.has_value()) << taken.error().message;
    EXPECT_EQ(taken->actors, (std::vector<model::TokenActor>{{"", "bot"}, {"https://ci.example", "runner"}}));
    EXPECT_EQ(taken->texts({"groups"}), (std::vector<std::string>{"dba", "oncall", "3"}));
    EXPECT_EQ(taken->texts({"realm", "roles"}), (std::vector<std::string>{"x"}));
    EXPECT_TRUE(taken->texts({"realm", "none"}).empty());
    EXPECT_TRUE(taken->texts({"groups", "dba"}).empty());
    const auto flat = taken->flat();
    EXPECT_THAT(flat, ::testing::Contains(model::TokenClaim{{"realm", "on"}, {"true"}}));
    EXPECT_THAT(flat, ::testing::Contains(model::TokenClaim{{"act", "act", "sub"}, {"runner"}}));
    EXPECT_THAT(why_not(key.token(claims({{"act", "bot"}}))), HasSubstr("act"));
    EXPECT_THAT(why_not(key.token(claims({{"act", {{"iss", "x"}}}}))), HasSubstr("sub"));
}

TEST(KeySets, LeaveOutWhatCannotBeUsed) {
    const SigningKey good("ES256", "good");
    json small = SigningKey("RS256", "small", 1024).public_jwk();
    json even = SigningKey("RS256", "even").public_jwk();
    even["e"] = base64url("\x04");
    json off_curve = good.public_jwk();
    off_curve["x"] = base64url(std::string(32, '\x05'));
    json for_encryption = good.public_jwk();
    for_encryption["use"] = "enc";
    json secret = good.public_jwk();
    secret["d"] = "AQAB";
    json other_algorithm = good.public_jwk();
    other_algorithm["alg"] = "RS256";
    json swapped = good.public_jwk();
    swapped["crv"] = "P-384";
    const json symmetric{{"kty", "oct"}, {"k", "c2VjcmV0"}, {"kid", "s"}};
    const json bad = json::array({small, even, off_curve, for_encryption, secret, other_algorithm, swapped, symmetric, 5});
    EXPECT_FALSE(parse_key_set(json{{"keys", bad}}.dump()).has_value());
    json mixed = bad;
    mixed.push_back(good.public_jwk());
    const auto keys = parse_key_set(json{{"keys", mixed}}.dump());
    ASSERT_TRUE(keys.has_value()) << keys.error().message;
    ASSERT_EQ(keys->size(), 1U);
    EXPECT_EQ(keys->front().id, "good");
    EXPECT_FALSE(keys->front().fits(Algorithm::es384));
    for (const char* text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[],"keys":[]})"})
        EXPECT_FALSE(parse_key_set(text).has_value()) << text;
}

}  // namespace
}  // namespace assent::identity

#include <gtest/gtest.h>

#include "wire/postgres/login.h"
#include "wire/postgres/protocol.h"
#include "wire/postgres/scram.h"

namespace assent::wire::postgres {
namespace {

using namespace std::string_view_literals;

// The exchange of RFC 7677, section 3.
constexpr auto server_first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"sv;
constexpr auto server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="sv;

ScramClient client_of_the_rfc() { return {"user", "pencil", "rOprNGfwEbeRWgbNEkqO"}; }

TEST(Scram, SpeaksAsTheRfcShows) {
    ScramClient client = client_of_the_rfc();
    EXPECT_EQ(client.first_message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    EXPECT_EQ(client.final_message(server_first).value(),
              "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    EXPECT_TRUE(client.verify(server_final));
}

TEST(Scram, AServerThatDoesNotKnowThePasswordIsNotBelieved) {
    ScramClient client = client_of_the_rfc();
    EXPECT_FALSE(client.verify(server_final));  // before the exchange
    ASSERT_TRUE(client.final_message(server_first).has_value());
    EXPECT_FALSE(client.verify("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    EXPECT_FALSE(client.verify("e=other-error"));
    EXPECT_FALSE(client.verify(""));
}

TEST(Scram, RefusesWhatAServerMustNotSay) {
    for (const auto message :
         {""sv, "r="sv, "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"sv,
          "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"sv,  // nothing added to our nonce
          "r=rOprNGfwEbeRWgbNEkqOx,s=*,i=4096"sv, "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0"sv,
          "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=12x"sv,
          "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000"sv}) {
        ScramClient client = client_of_the_rfc();
        EXPECT_FALSE(client.final_message(message).has_value()) << message;
    }
}

TEST(Login, DoesNotTakeOkForAnAnswerInTheMiddleOfScram) {
    Login login("app", "secret", false);
    const auto first = login.answer(authentication::sasl, as_bytes("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"sv));
    ASSERT_TRUE(first.has_value());
    EXPECT_NE(as_text(*first).find("SCRAM-SHA-256\0"sv), std::string_view::npos);
    EXPECT_FALSE(login.answer(authentication::ok, {}).has_value());
    EXPECT_FALSE(login.answer(authentication::clear_password, {}).has_value());
}

TEST(Login, SendsAPasswordInClearOnlyWhereItMay) {
    Login careful("app", "secret", false);
    EXPECT_FALSE(careful.answer(authentication::clear_password, {}).has_value());
    Login local("app", "secret", true);
    EXPECT_EQ(as_text(local.answer(authentication::clear_password, {}).value()), "p\0\0\0\013secret\0"sv);
    EXPECT_EQ(local.method(), "cleartext");
}

TEST(Login, KnowsMd5AndRefusesTheUnknown) {
    EXPECT_EQ(md5_password("bob", "secret", as_bytes("salt")).size(), 35U);
    Login login("app", "secret", false);
    EXPECT_FALSE(login.answer(authentication::md5_password, as_bytes("salty")).has_value());
    EXPECT_FALSE(login.answer(authentication::gss, {}).has_value());
    EXPECT_FALSE(login.answer(authentication::sasl, as_bytes("SCRAM-SHA-256-PLUS\0\0"sv)).has_value());
    EXPECT_FALSE(login.answer(authentication::sasl_continue, as_bytes("r=x")).has_value());
}

}  // namespace
}  // namespace assent::wire::postgres

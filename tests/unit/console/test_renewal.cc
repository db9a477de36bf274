// A sign-in that goes on, before a provider that does what a test says; e2e has a real one.
#include <stdlib.h>

#include <deque>
#include <filesystem>

#include <gtest/gtest.h>

#include "console/console.h"
#include "control/server.h"
#include "support/stopped_clock.h"

namespace assent::console {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// What it answers next at its token endpoint, and what its ID tokens say; a token is its own number.
class ScriptedProvider final : public identity::Provider {
public:
    struct Token {
        std::string subject = "ana";
        std::chrono::seconds good_for{300};
        std::optional<std::string> nonce{};  // that of the sign-in, if not said
    };
    explicit ScriptedProvider(const Clock& clock) : clock_(clock) {}

    const std::string& issuer() const noexcept override { return issuer_; }
    Result<identity::Metadata> metadata() override {
        return identity::Metadata{.issuer = issuer_,
                                  .authorization_endpoint = issuer_ + "/auth",
                                  .token_endpoint = issuer_ + "/token",
                                  .device_authorization_endpoint = {},
                                  .end_session_endpoint = {},
                                  .jwks_uri = {}};
    }
    Result<identity::PostAnswer> post_form(const std::string&, const identity::FormFields& fields,
                                           const identity::ClientLogin&) override {
        asked.push_back(fields);
        if (answers.empty()) return fail(Errc::unavailable, "nobody answers");
        auto next = std::move(answers.front());
        answers.pop_front();
        return next;
    }
    Result<identity::Claims> verify(std::string_view token, const identity::Expected& expected, WallTime) override {
        if (!can_verify) return fail(Errc::unavailable, "its keys cannot be read");
        const auto index = static_cast<std::size_t>(std::stoul(std::string(token.substr(token.find('-') + 1))));
        const Token& known = tokens.at(index);
        identity::Claims claims;
        claims.issuer = issuer_;
        claims.subject = known.subject;
        claims.expires = made.at(index) + known.good_for;
        const std::string nonce = known.nonce.value_or(expected.nonce);
        claims.all = json::object();
        if (!nonce.empty()) claims.all["nonce"] = nonce;
        return claims;
    }
    bool is_answering() const override { return true; }

    void gives(Token token, const std::string& refresh_token) {
        json body{{"id_token", "id-" + std::to_string(tokens.size())}};
        if (!refresh_token.empty()) body["refresh_token"] = refresh_token;
        tokens.push_back(std::move(token));
        made.push_back(clock_.wall());
        answers.push_back({200, std::move(body)});
    }
    void refuses(int status, const std::string& error) { answers.push_back({status, {{"error", error}}}); }
    [[nodiscard]] std::string last_refresh_token() const {
        for (const auto& [name, value] : asked.back()) {
            if (name == "refresh_token") return value;
        }
        return {};
    }

    std::deque<identity::PostAnswer> answers;
    std::vector<identity::FormFields> asked;
    std::vector<Token> tokens;
    std::vector<WallTime> made;
    bool can_verify = true;

private:
    const Clock& clock_;
    std::string issuer_ = "https://idp.example";
};

struct Renewal : ::testing::Test {
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "assent-console-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
        auto opened = control::Server::open(folder / "control.sock", [](std::uint64_t) { return false; });
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        server = std::move(*opened);
        server->identify_by([](std::string_view token) -> Result<approve::Person> {
            approve::Person person;
            person.name = token;
            person.issuer = "https://idp.example";
            person.subject = "ana";
            return person;
        });
        server->handle("me", [](const control::Peer& peer, const json&, const control::Emit&) -> Result<json> {
            return json{{"name", peer.person.name}};
        });
        server->start();
        ConsoleOptions options;
        options.public_url = "https://assent.example:7443";
        options.socket = folder / "control.sock";
        options.providers.push_back({provider, {"client", ""}, "openid"});
        console = std::make_unique<Console>(clock, std::move(options));
    }
    void TearDown() override {
        console.reset();
        server.reset();
        std::filesystem::remove_all(folder);
    }

    Request request_to(std::string path) const {
        Request request;
        request.method = "GET";
        request.path = std::move(path);
        request.headers = {{"host", "assent.example:7443"}, {"cookie", cookie}};
        request.address = "192.0.2.1";
        return request;
    }
    static std::string value_of(const Response& response, std::string_view header, std::string_view begin) {
        for (const auto& [name, value] : response.headers) {
            const auto at = value.find(begin);
            if (name != header || at == std::string::npos) continue;
            const auto first = at + begin.size();
            return value.substr(first, value.find_first_of(";&", first) - first);
        }
        return {};
    }
    void sign_in(ScriptedProvider::Token token = {}, const std::string& refresh_token = "r-0") {
        const auto sent = console->handle(request_to("/sign-in"));
        cookie = "__Host-assent-sign-in=" + value_of(sent, "Set-Cookie", "__Host-assent-sign-in=");
        provider->gives(std::move(token), refresh_token);
        auto back = request_to("/sign-in/done");
        back.query = {{"state", value_of(sent, "Location", "state=")}, {"code", "code"}};
        const auto done = console->handle(back);
        cookie = "__Host-assent-session=" + value_of(done, "Set-Cookie", "__Host-assent-session=");
        ASSERT_EQ(name(), "id-0");
    }
    // As whom the daemon was asked, or the status of what was refused.
    std::string name() {
        const auto answer = console->handle(request_to("/api/v1/me"));
        if (answer.status != 200) return std::to_string(answer.status);
        return json::parse(answer.body)["name"];
    }

    support::StoppedClock clock;
    std::shared_ptr<ScriptedProvider> provider = std::make_shared<ScriptedProvider>(clock);
    std::filesystem::path folder;
    std::unique_ptr<control::Server> server;
    std::unique_ptr<Console> console;
    std::string cookie;
};

TEST_F(Renewal, AMinuteBeforeItExpiresATokenIsRenewed) {
    sign_in();
    clock.move(239s);
    EXPECT_EQ(name(), "id-0");
    provider->gives({}, "r-1");
    clock.move(2s);
    EXPECT_EQ(name(), "id-1");
    EXPECT_EQ(provider->last_refresh_token(), "r-0");
    provider->gives({}, "");  // one that does not rotate
    clock.move(241s);
    EXPECT_EQ(name(), "id-2");
    EXPECT_EQ(provider->last_refresh_token(), "r-1");
    provider->gives({}, "");
    clock.move(241s);
    EXPECT_EQ(name(), "id-3");
    EXPECT_EQ(provider->last_refresh_token(), "r-1");
}

TEST_F(Renewal, WithoutARefreshTokenTheSessionEndsWithItsToken) {
    sign_in({}, "");
    clock.move(299s);
    EXPECT_EQ(name(), "id-0");
    clock.move(1s);
    EXPECT_EQ(name(), "401");
}

TEST_F(Renewal, ATokenOfSomebodyElseEndsTheSession) {
    sign_in();
    clock.move(250s);
    provider->gives({.subject = "mallory"}, "r-1");
    EXPECT_EQ(name(), "401");
    EXPECT_EQ(name(), "401");
}

TEST_F(Renewal, ATokenOfAnotherSignInEndsTheSession) {
    sign_in({.nonce = {}});
    clock.move(250s);
    provider->gives({.nonce = "of another"}, "r-1");
    EXPECT_EQ(name(), "401");
}

TEST_F(Renewal, ATokenThatHasExpiredEndsTheSession) {
    sign_in();
    clock.move(250s);
    provider->gives({.good_for = -1s}, "r-1");
    EXPECT_EQ(name(), "401");
}

TEST_F(Renewal, WhomTheProviderNoMoreLetsInIsSignedOut) {
    sign_in();
    clock.move(250s);
    provider->refuses(400, "invalid_grant");
    EXPECT_EQ(name(), "401");
}

TEST_F(Renewal, TheProvidersOwnTroubleSignsNobodyOut) {
    sign_in();
    clock.move(250s);
    for (const int status : {500, 503, 429}) {
        provider->refuses(status, "temporarily_unavailable");
        EXPECT_EQ(name(), "id-0") << status;
        const auto count = provider->asked.size();
        EXPECT_EQ(name(), "id-0");
        EXPECT_EQ(provider->asked.size(), count) << "it was asked just now";
        clock.move(11s);
    }
    clock.move(30s);
    EXPECT_EQ(name(), "503") << "what it gave has expired, and nobody answers";
    const auto count = provider->asked.size();
    EXPECT_EQ(name(), "503");
    EXPECT_EQ(provider->asked.size(), count) << "not with each request";
    clock.move(11s);
    provider->gives({}, "r-1");
    EXPECT_EQ(name(), "id-1");
}

TEST_F(Renewal, ARefreshTokenThatWasGivenIsKeptWhateverBecomesOfTheRest) {
    sign_in();
    clock.move(250s);
    provider->gives({}, "r-1");
    provider->can_verify = false;
    EXPECT_EQ(name(), "id-0");
    provider->can_verify = true;
    clock.move(11s);
    provider->gives({}, "r-2");
    EXPECT_EQ(name(), "id-2");
    EXPECT_EQ(provider->last_refresh_token(), "r-1");
}

TEST_F(Renewal, WhatTheApplicationAsksByItselfIsNotUse) {
    sign_in({.good_for = 24h});
    for (int i = 0; i < 3; ++i) {
        clock.move(14min);
        auto background = request_to("/api/v1/me");
        background.headers["x-assent-background"] = "1";
        EXPECT_EQ(console->handle(background).status, i < 2 ? 200 : 401) << i;
    }
}

}  // namespace
}  // namespace assent::console

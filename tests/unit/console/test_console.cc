// The console without its sockets, before a real control socket.
#include <stdlib.h>

#include <filesystem>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "console/console.h"
#include "control/server.h"
#include "support/stopped_clock.h"

namespace assent::console {
namespace {

using nlohmann::json;

constexpr std::string_view index_html = "<!doctype html>";
constexpr Asset assets[] = {{"/index.html", "text/html; charset=utf-8", index_html},
                            {"/assets/a-1.js", "text/javascript", "1"}};

struct ConsoleAndDaemon : ::testing::Test {
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "assent-console-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
        auto opened = control::Server::open(folder / "control.sock", [](std::uint64_t) { return false; });
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        server = std::move(*opened);
        server->identify_by([](std::string_view token) -> Result<approve::Person> {
            if (token != "assent_good") return fail(Errc::denied, "this token is unknown, or was revoked");
            approve::Person person;
            person.name = "token:test";
            return person;
        });
        for (const char* verb : {"hold", "approve", "deny", "end", "policy.show", "explain", "status", "me"}) {
            server->handle(verb,
                           [this](const control::Peer& peer, const json& request, const control::Emit&) -> Result<json> {
                               return told(peer, request);
                           });
        }
        server->handle("holds",
                       [this](const control::Peer& peer, const json& request, const control::Emit& emit) -> Result<json> {
                           (void)told(peer, request);
                           for (int i = 0; i < 3; ++i) {
                               if (!emit({{"hold", {{"id", i}}}})) return json();
                           }
                           if (!request.value("watch", false)) return json{{"count", 3}};
                           if (!emit({{"event", "listed"}, {"count", 3}})) return json();
                           (void)emit({{"event", "opened"}, {"hold", {{"id", 9}}}});
                           return json{{"count", 4}};
                       });
        server->start();
        ConsoleOptions options;
        options.public_url = "https://assent.example:7443";
        options.socket = folder / "control.sock";
        options.assets = assets;
        options.openapi = "{}";
        console = std::make_unique<Console>(clock, std::move(options));
    }
    void TearDown() override {
        console.reset();
        server.reset();
        std::filesystem::remove_all(folder);
    }

    Result<json> told(const control::Peer& peer, const json& request) {
        const std::scoped_lock lock(mutex);
        last = request;
        last["person"] = peer.person.name;
        return last;
    }
    static Request request_to(std::string path, std::string method = "GET", std::string body = {}) {
        Request request;
        request.method = std::move(method);
        request.path = std::move(path);
        request.headers = {
            {"host", "assent.example:7443"}, {"authorization", "Bearer assent_good"}, {"content-type", "application/json"}};
        request.body = std::move(body);
        request.address = "192.0.2.1";
        return request;
    }
    Response ask(const Request& request) { return console->handle(request); }
    static std::string header_of(const Response& response, std::string_view name) {
        for (const auto& [each, value] : response.headers) {
            if (each == name) return value;
        }
        return {};
    }

    std::filesystem::path folder;
    std::unique_ptr<control::Server> server;
    support::StoppedClock clock;
    std::unique_ptr<Console> console;
    std::mutex mutex;
    json last;
};

TEST_F(ConsoleAndDaemon, EveryAnswerForbidsWhatIsNotTheApplicationsOwn) {
    for (const char* path :
         {"/", "/holds/h-7k2mq4", "/assets/a-1.js", "/nothing.txt", "/api/v1/me", "/api/v1/nothing", "/sign-in/done"}) {
        const auto response = ask(request_to(path));
        const auto policy = header_of(response, "Content-Security-Policy");
        EXPECT_NE(policy.find("default-src 'none'"), std::string::npos) << path;
        EXPECT_EQ(policy.find("unsafe"), std::string::npos) << path;
        EXPECT_EQ(policy.find("http"), std::string::npos) << path;
        EXPECT_EQ(header_of(response, "X-Content-Type-Options"), "nosniff") << path;
        EXPECT_EQ(header_of(response, "X-Frame-Options"), "DENY") << path;
        EXPECT_FALSE(header_of(response, "Strict-Transport-Security").empty()) << path;
    }
}

TEST_F(ConsoleAndDaemon, PlacesOfTheApplicationAreTheApplication) {
    EXPECT_EQ(ask(request_to("/holds/h-7k2mq4")).body, index_html);
    EXPECT_EQ(ask(request_to("/assets/a-1.js")).body, "1");
    EXPECT_NE(header_of(ask(request_to("/assets/a-1.js")), "Cache-Control").find("immutable"), std::string::npos);
    EXPECT_EQ(ask(request_to("/assets/../etc/passwd.txt")).status, 404);
    EXPECT_EQ(ask(request_to("/", "POST")).status, 405);
}

TEST_F(ConsoleAndDaemon, ItAnswersToItsOwnNameOnly) {
    for (const char* name : {"evil.example", "assent.example", "assent.example:7443.evil.example", ""}) {
        auto request = request_to("/api/v1/me");
        request.headers["host"] = name;
        EXPECT_EQ(ask(request).status, 421) << name;
    }
}

TEST_F(ConsoleAndDaemon, NobodyIsLetInWithoutASessionOrAToken) {
    auto request = request_to("/api/v1/holds");
    request.headers.erase("authorization");
    EXPECT_EQ(ask(request).status, 401);
    request.headers["cookie"] = "__Host-assent-session=" + std::string(64, 'a');
    EXPECT_EQ(ask(request).status, 401);
    // Only tokens for automation are taken so: a person's own stands in no header that a script could be made to send.
    request.headers["authorization"] = "Bearer eyJhbGciOiJFUzI1NiJ9.e30.c2ln";
    EXPECT_EQ(ask(request).status, 401);
    request.headers["authorization"] = "Bearer assent_bad";
    EXPECT_EQ(ask(request).status, 403) << "the daemon does not know it";
}

TEST_F(ConsoleAndDaemon, ARouteIsAVerb) {
    EXPECT_EQ(ask(request_to("/api/v1/holds/h-7k2mq4")).status, 200);
    EXPECT_EQ(last, (json{{"verb", "hold"}, {"id", "h-7k2mq4"}, {"person", "token:test"}})) << "and no verb sees the token";
    EXPECT_EQ(ask(request_to("/api/v1/holds/h-7k2mq4/deny", "POST", R"({"reason": "no"})")).status, 200);
    EXPECT_EQ(last, (json{{"verb", "deny"}, {"id", "h-7k2mq4"}, {"reason", "no"}, {"person", "token:test"}}));
    EXPECT_EQ(ask(request_to("/api/v1/explain", "POST", R"({"agent": "a", "target": "t", "sql": "SELECT 1"})")).status, 200);
    EXPECT_EQ(last["verb"], "explain");
    EXPECT_EQ(last["sql"], "SELECT 1");
}

TEST_F(ConsoleAndDaemon, WhatIsNoRouteIsRefused) {
    EXPECT_EQ(ask(request_to("/api/v1/nothing")).status, 404);
    EXPECT_EQ(ask(request_to("/api/v2/me")).status, 200) << "a place of the application";
    EXPECT_EQ(ask(request_to("/api/v1/holds/h-7k2mq4/approve")).status, 405);
    EXPECT_EQ(ask(request_to("/api/v1/holds/..%2f/approve", "POST", "{}")).status, 404);
    EXPECT_EQ(ask(request_to("/api/v1/holds/h-7/approve", "POST", "{}")).status, 400) << "the beginning of an id";
    for (const char* body : {"", "[]", "{", "null", "\"a\""}) {
        EXPECT_EQ(ask(request_to("/api/v1/holds/h-7k2mq4/approve", "POST", body)).status, 400) << body;
    }
    EXPECT_EQ(ask(request_to("/api/v1/holds/h-7k2mq4/approve", "POST", std::string(100, '['))).status, 413);
    auto form = request_to("/api/v1/holds/h-7k2mq4/approve", "POST", "{}");
    form.headers["content-type"] = "application/x-www-form-urlencoded";
    EXPECT_EQ(ask(form).status, 400) << "what a form of another site could send";
    EXPECT_TRUE(last.is_null()) << "the daemon was asked nothing";
}

TEST_F(ConsoleAndDaemon, ListsAreCollected) {
    const auto answer = json::parse(ask(request_to("/api/v1/holds")).body);
    EXPECT_EQ(answer["count"], 3);
    EXPECT_EQ(answer["holds"].size(), 3U);
    EXPECT_EQ(answer["is_cut"], false);
    auto wrong = request_to("/api/v1/holds");
    wrong.query["state"] = "some";
    EXPECT_EQ(ask(wrong).status, 400);
}

TEST_F(ConsoleAndDaemon, EventsComeAsTheyAre) {
    const auto response = ask(request_to("/api/v1/holds/events"));
    EXPECT_EQ(response.type, "text/event-stream");
    ASSERT_TRUE(response.stream);
    std::string got;
    response.stream([&](std::string_view part) {
        got += part;
        return true;
    });
    EXPECT_NE(got.find("event: hold\ndata: {\"hold\":{\"id\":0}}\n\n"), std::string::npos) << got;
    EXPECT_NE(got.find("event: listed\ndata: {\"count\":3}\n\n"), std::string::npos) << got;
    EXPECT_NE(got.find("event: hold\ndata: {\"event\":\"opened\",\"hold\":{\"id\":9}}\n\n"), std::string::npos) << got;
    EXPECT_NE(got.find("event: end\n"), std::string::npos) << got;
}

TEST_F(ConsoleAndDaemon, ACallerHasSoManyStreams) {
    std::vector<Response> open;
    for (std::size_t i = 0; i < limits::console_streams_per_session; ++i)
        open.push_back(ask(request_to("/api/v1/holds/events")));
    for (const auto& each : open) EXPECT_EQ(each.status, 200);
    EXPECT_EQ(ask(request_to("/api/v1/holds/events")).status, 503);
    open.pop_back();
    EXPECT_EQ(ask(request_to("/api/v1/holds/events")).status, 200) << "a place is given back";
}

TEST_F(ConsoleAndDaemon, TooManyRequestsAreRefused) {
    int refused = 0;
    for (std::size_t i = 0; i < limits::console_requests_at_once + 5; ++i)
        refused += ask(request_to("/api/v1/status")).status == 429 ? 1 : 0;
    EXPECT_EQ(refused, 5);
}

TEST_F(ConsoleAndDaemon, WithoutTheDaemonItSaysSo) {
    server->stop();
    const auto response = ask(request_to("/api/v1/status"));
    EXPECT_EQ(response.status, 503);
    EXPECT_NE(response.body.find("assentd"), std::string::npos);
}

}  // namespace
}  // namespace assent::console

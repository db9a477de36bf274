#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>

#include "base/limits.h"
#include "control/client.h"
#include "control/line_reader.h"
#include "control/protocol.h"
#include "control/server.h"
#include "control/unix_socket.h"

namespace assent::control {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;

class ControlTest : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "assent-control-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder = pattern;
        ASSERT_EQ(::chmod(pattern.c_str(), 0755), 0);
        open();
    }
    void TearDown() override {
        server.reset();
        std::filesystem::remove_all(folder);
    }
    void open() {
        auto opened = Server::open(socket(), [this](std::uint64_t) { return is_governed.load(); });
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        server = std::move(*opened);
        server->handle("echo",
                       [](const Peer&, const json& request, const Emit&) -> Result<json> { return request.at("value"); });
    }
    [[nodiscard]] std::filesystem::path socket() const { return folder / "run" / "control.sock"; }
    [[nodiscard]] bool answers() const {
        auto answer = ask(socket(), {{"verb", "echo"}, {"value", 7}});
        return answer && *answer == 7;
    }
    // A connection of our own, to say on it what ask() never would.
    [[nodiscard]] Fd connect_raw() const {
        auto address = unix_address(socket());
        Fd made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::connect(made.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) return Fd();
        return made;
    }
    // What the server says to these bytes; "closed" when it hangs up without a word.
    [[nodiscard]] std::string reply_to(std::string_view bytes) const {
        const Fd raw = connect_raw();
        static_cast<void>(send_all(raw.get(), bytes, 5s).has_value());
        LineReader lines(raw.get());
        auto line = lines.next(5s, 5s);
        return line ? *line : "closed";
    }

    std::atomic<bool> is_governed = false;
    std::filesystem::path folder;
    std::unique_ptr<Server> server;
};

TEST_F(ControlTest, AnswersAndErrorsComeBackAsTheyWereMade) {
    int calls = 0;
    server->handle("fail", [&](const Peer&, const json& request, const Emit&) -> Result<json> {
        ++calls;
        return fail(static_cast<Errc>(request.at("code").get<int>()), "because of \"this\"\n");
    });
    server->start();
    const json value = {{"text", "ä\n\t\"\\"}, {"list", {1, 2.5, nullptr, true}}, {"ok", false}, {"next", 1}};
    EXPECT_EQ(*ask(socket(), {{"verb", "echo"}, {"value", value}}), value);
    EXPECT_EQ(*ask(socket(), {{"verb", "echo"}, {"value", nullptr}}), json());
    for (int code = 0; code <= static_cast<int>(Errc::io); ++code) {
        auto answer = ask(socket(), {{"verb", "fail"}, {"code", code}});
        ASSERT_FALSE(answer.has_value());
        EXPECT_EQ(static_cast<int>(answer.error().code), code);
        EXPECT_EQ(answer.error().message, "because of \"this\"\n");
    }
    EXPECT_EQ(calls, static_cast<int>(Errc::io) + 1);
}

TEST_F(ControlTest, APersonIsKnownByTheirTokenButTheProcessStaysWhatItIs) {
    server->identify_by([](std::string_view token) -> Result<approve::Person> {
        if (token != "good") return fail(Errc::denied, "this token is not believed");
        approve::Person person;
        person.name = "ana@example.com";
        person.groups = {"dba"};
        person.issuer = "https://idp.example.com";
        person.subject = "user-1";
        return person;
    });
    server->handle("who", [](const Peer& peer, const json& request, const Emit&) -> Result<json> {
        const auto& person = peer.person;
        return json{{"name", person.name},
                    {"groups", person.groups},
                    {"issuer", person.issuer},
                    {"subject", person.subject},
                    {"uid", person.uid},
                    {"governed", person.is_governed},
                    {"sees", request.contains("token")}};
    });
    server->start();
    is_governed = true;
    EXPECT_EQ(*ask(socket(), {{"verb", "who"}, {"token", "good"}}), json({{"name", "ana@example.com"},
                                                                          {"groups", {"dba"}},
                                                                          {"issuer", "https://idp.example.com"},
                                                                          {"subject", "user-1"},
                                                                          {"uid", ::getuid()},
                                                                          {"governed", true},
                                                                          {"sees", false}}));
    auto refused = ask(socket(), {{"verb", "who"}, {"token", "bad"}});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().message, "this token is not believed");
    EXPECT_FALSE(ask(socket(), {{"verb", "who"}, {"token", 7}}).has_value());
    EXPECT_EQ(ask(socket(), {{"verb", "who"}})->at("issuer"), "") << "the next request is of the process alone";
}

TEST_F(ControlTest, ATokenIsRefusedWhereNoProviderIsKnown) {
    server->start();
    auto refused = ask(socket(), {{"verb", "echo"}, {"value", 7}, {"token", "any"}});
    ASSERT_FALSE(refused.has_value());
    EXPECT_THAT(refused.error().message, HasSubstr("identity"));
}

TEST_F(ControlTest, EveryVerbIsAskedForBeforeItsHandler) {
    server->identify_by([](std::string_view) -> Result<approve::Person> {
        approve::Person person;
        person.name = "token:dashboard";
        person.scopes = {"echo"};
        return person;
    });
    server->authorize_by([](const Peer& peer, std::string_view verb) -> Result<> {
        if (peer.person.scopes.empty() || verb == "echo") return {};
        return fail(Errc::denied, "the scopes of this token do not cover that");
    });
    bool has_run = false;
    server->handle("other", [&](const Peer&, const json&, const Emit&) -> Result<json> {
        has_run = true;
        return json();
    });
    server->start();
    EXPECT_TRUE(ask(socket(), {{"verb", "echo"}, {"value", 1}, {"token", "t"}}).has_value());
    const auto refused = ask(socket(), {{"verb", "other"}, {"token", "t"}});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::denied);
    EXPECT_FALSE(has_run);
    EXPECT_TRUE(ask(socket(), {{"verb", "other"}}).has_value()) << "without a token it is the process that asks";
}

TEST_F(ControlTest, AStreamIsReadAsItComes) {
    std::atomic<bool> goes_on = false;
    server->handle("slow", [&](const Peer&, const json&, const Emit& emit) -> Result<json> {
        (void)emit(1);
        while (!goes_on && emit(json())) std::this_thread::sleep_for(5ms);
        (void)emit(2);
        return json("done");
    });
    server->start();
    auto stream = Stream::open(socket(), {{"verb", "slow"}});
    ASSERT_TRUE(stream.has_value());
    const auto first = stream->next(5s);
    ASSERT_TRUE(first.has_value() && first->has_value());
    EXPECT_EQ(**first, 1);
    const auto nothing = stream->next(50ms);
    ASSERT_TRUE(nothing.has_value());
    EXPECT_FALSE(nothing->has_value());
    goes_on = true;
    EXPECT_EQ(**stream->next(5s), 2);
    EXPECT_EQ(stream->next(5s).error().code, Errc::not_found) << "it is over";
}

TEST_F(ControlTest, AServiceHasPlacesOfItsOwn) {
    server->reserve_for(::getuid(), 2);
    server->start();
    std::vector<Fd> taken;
    for (int i = 0; i < 2; ++i) taken.push_back(connect_raw());
    std::this_thread::sleep_for(100ms);  // until they were taken in
    const auto refused = ask(socket(), {{"verb", "echo"}, {"value", 1}});
    ASSERT_FALSE(refused.has_value()) << "though the socket has room for others";
    EXPECT_EQ(refused.error().code, Errc::unavailable);
}

TEST_F(ControlTest, LinesOfAStreamArriveInOrderAndTheClientMayStop) {
    std::atomic<int> emitted = 0;
    std::atomic<bool> has_ended = false;
    server->handle("count", [&](const Peer&, const json&, const Emit& emit) -> Result<json> {
        while (emitted < 1'000'000 && emit({{"n", emitted.load()}})) ++emitted;
        has_ended = true;
        return json("done");
    });
    server->start();
    std::vector<int> got;
    auto answer = ask(socket(), {{"verb", "count"}}, [&](const json& line) {
        got.push_back(line.at("n").get<int>());
        return got.size() < 5;
    });
    EXPECT_TRUE(answer.has_value());
    EXPECT_THAT(got, testing::ElementsAre(0, 1, 2, 3, 4));
    for (int i = 0; i < 500 && !has_ended; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(has_ended) << "the handler is told that nobody listens";
    EXPECT_LT(emitted, 1'000'000);
}

TEST_F(ControlTest, ThePeerIsWhoTheKernelSays) {
    Peer seen;
    server->handle("who", [&](const Peer& peer, const json&, const Emit&) -> Result<json> {
        seen = peer;
        return json();
    });
    server->start();
    ASSERT_TRUE(ask(socket(), {{"verb", "who"}, {"uid", 12345}, {"person", "mallory"}}).has_value());
    EXPECT_EQ(seen.pid, ::getpid());
    EXPECT_EQ(seen.uid, ::geteuid());
    EXPECT_EQ(seen.person.uid, ::geteuid());
    EXPECT_FALSE(seen.person.name.empty());
    EXPECT_FALSE(seen.person.groups.empty());
    EXPECT_FALSE(seen.person.is_governed);
    EXPECT_TRUE(seen.cgroup_path.starts_with("/"));
    EXPECT_NE(seen.cgroup_id, 0U);
    is_governed = true;
    ASSERT_TRUE(ask(socket(), {{"verb", "who"}}).has_value());
    EXPECT_TRUE(seen.person.is_governed);
}

TEST_F(ControlTest, GarbageGetsAnErrorAndHarmsNobody) {
    server->handle("throws",
                   [](const Peer&, const json&, const Emit&) -> Result<json> { throw std::runtime_error("a bug"); });
    server->start();
    const auto code_of = [&](std::string_view bytes) {
        const json reply = json::parse(reply_to(bytes), nullptr, false);
        if (reply.is_object() && reply.contains("answer")) return std::string("answered");
        return reply.is_object() ? reply.at("error").at("code").get<std::string>() : std::string("closed");
    };
    EXPECT_EQ(code_of("hello\n"), "malformed");
    EXPECT_EQ(code_of("{\"verb\":\"echo\"\n"), "malformed");
    EXPECT_EQ(code_of(std::string("\0\0\0\n", 4)), "malformed");
    EXPECT_EQ(code_of("\n"), "malformed");
    EXPECT_EQ(code_of("\xff\xfe{}\n"), "malformed");
    EXPECT_EQ(code_of("[1,2]\n"), "invalid");
    EXPECT_EQ(code_of("{\"verb\":7}\n"), "invalid");
    EXPECT_EQ(code_of("{\"verb\":\"no such\"}\n"), "unsupported");
    EXPECT_EQ(code_of("{\"verb\":\"echo\"}\n"), "invalid") << "a member is missing";
    EXPECT_EQ(code_of("{\"verb\":\"throws\"}\n"), "internal");
    EXPECT_EQ(code_of(std::string(100'000, '[') + "\n"), "limit");
    EXPECT_EQ(code_of("{\"verb\":\"echo\",\"value\":" + std::string(70, '[') + std::string(70, ']') + "}\n"), "limit");
    EXPECT_EQ(code_of("{\"verb\":\"echo\",\"value\":\"" + std::string(200, '[') + "\"}\n"), "answered")
        << "brackets in a string are text";
    EXPECT_TRUE(answers());
}

TEST_F(ControlTest, AnEndlessLineIsCutOff) {
    server->start();
    const Fd raw = connect_raw();
    const std::string chunk(256 * limits::KiB, 'x');
    std::size_t sent = 0;
    while (sent < 64 * limits::MiB && send_all(raw.get(), chunk, 5s)) sent += chunk.size();
    EXPECT_LT(sent, 2 * limits::control_message);
    EXPECT_TRUE(answers());
}

TEST_F(ControlTest, AnAnswerThatIsTooLargeIsAnError) {
    server->handle("large", [](const Peer&, const json&, const Emit&) -> Result<json> {
        return json(std::string(limits::control_message + 1, 'x'));
    });
    server->start();
    auto answer = ask(socket(), {{"verb", "large"}});
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code, Errc::limit);
    EXPECT_TRUE(ask(socket(), {{"verb", "echo"}, {"value", std::string(limits::control_message - 1000, 'x')}}).has_value());
}

TEST_F(ControlTest, SlowAndSilentPeersAreLeft) {
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    const Fd left(pair[0]);
    Fd right(pair[1]);
    LineReader lines(left.get());
    EXPECT_EQ(lines.next(20ms, 20ms).error().code, Errc::unavailable) << "silent";
    ASSERT_TRUE(send_all(right.get(), "{\"ver", 1s).has_value());
    const auto before = std::chrono::steady_clock::now();
    std::jthread drip([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            static_cast<void>(send_all(right.get(), "x", 1s).has_value());
            std::this_thread::sleep_for(5ms);
        }
    });
    EXPECT_EQ(lines.next(10s, 100ms).error().code, Errc::unavailable) << "a byte now and then does not prolong it";
    EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
    drip.request_stop();
    drip.join();
    // Nobody reads: sending gives up.
    EXPECT_EQ(send_all(right.get(), std::string(32 * limits::MiB, 'x'), 50ms).error().code, Errc::unavailable);
    right.reset();
}

TEST_F(ControlTest, LinesAreFoundWhateverTheCut) {
    const std::string text = "one\ntwo\n\nthree\n";
    for (std::size_t cut = 1; cut <= text.size(); ++cut) {
        std::array<int, 2> pair{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
        const Fd left(pair[0]);
        std::thread writer([&, right = Fd(pair[1])] {
            for (std::size_t at = 0; at < text.size(); at += cut) {
                ASSERT_TRUE(send_all(right.get(), text.substr(at, cut), 1s).has_value());
            }
        });
        LineReader lines(left.get());
        for (const char* expected : {"one", "two", "", "three"}) EXPECT_EQ(*lines.next(5s, 5s), expected);
        EXPECT_EQ(lines.next(5s, 5s).error().code, Errc::not_found);
        writer.join();
    }
}

TEST_F(ControlTest, AThousandConnectionsComeAndGo) {
    server->start();
    for (int i = 0; i < 1000; ++i) {
        const Fd raw = connect_raw();
        if (i % 3 == 0)
            static_cast<void>(send_all(raw.get(), i % 2 == 0 ? "{" : "{\"verb\":\"echo\",\"value\":1}\n", 1s).has_value());
    }
    bool is_well = false;
    for (int i = 0; i < 100 && !is_well; ++i) {
        is_well = answers();
        if (!is_well) std::this_thread::sleep_for(50ms);
    }
    EXPECT_TRUE(is_well);
}

// As another user on this thread alone: what SO_PEERCRED shows of connections made meanwhile. Nothing changes without root.
class AsUser {
public:
    explicit AsUser(uid_t uid) { ::syscall(SYS_setresuid, -1, uid, -1); }
    ~AsUser() { ::syscall(SYS_setresuid, -1, ::getuid(), -1); }
    AsUser(const AsUser&) = delete;
    AsUser& operator=(const AsUser&) = delete;
};

TEST_F(ControlTest, OneUserCannotTakeAllPlaces) {
    server->start();
    std::vector<Fd> held;
    {
        const AsUser somebody(::getuid() == 0 ? 65534 : ::getuid());
        for (std::size_t i = 0; i < limits::control_clients_per_user; ++i) held.push_back(connect_raw());
        auto more = ask(socket(), {{"verb", "echo"}, {"value", 1}});
        ASSERT_FALSE(more.has_value());
        EXPECT_EQ(more.error().code, Errc::unavailable);
        EXPECT_THAT(more.error().message, HasSubstr("too many"));
    }
    if (::getuid() == 0) {
        EXPECT_TRUE(answers()) << "others have theirs";
    }
    held.clear();
    bool is_well = false;
    for (int i = 0; i < 100 && !is_well; ++i) {
        std::this_thread::sleep_for(20ms);
        is_well = answers();
    }
    EXPECT_TRUE(is_well) << "places come free";
}

TEST_F(ControlTest, StopWakesThoseWhoWaitAndRemovesTheSocket) {
    std::atomic<bool> is_waiting = false;
    server->handle("wait", [&](const Peer&, const json&, const Emit& emit) -> Result<json> {
        is_waiting = true;
        while (emit(json())) std::this_thread::sleep_for(10ms);
        return json();
    });
    server->start();
    const Fd idle = connect_raw();
    std::thread waiting([&] { EXPECT_FALSE(ask(socket(), {{"verb", "wait"}}, {}).has_value()); });
    while (!is_waiting) std::this_thread::sleep_for(1ms);
    server->stop();
    waiting.join();
    server->stop();
    EXPECT_FALSE(std::filesystem::exists(socket()));
    auto gone = ask(socket(), {{"verb", "echo"}, {"value", 1}});
    ASSERT_FALSE(gone.has_value());
    EXPECT_EQ(gone.error().code, Errc::unavailable);
    EXPECT_THAT(gone.error().message, HasSubstr("systemctl start assentd"));
}

TEST_F(ControlTest, OneServerAPlaceAndAKilledOnesSocketIsReplaced) {
    server->start();
    auto second = Server::open(socket(), [](std::uint64_t) { return false; });
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, Errc::unavailable);
    EXPECT_TRUE(answers());
    server.reset();
    {
        auto address = unix_address(socket());
        const Fd killed(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(::bind(killed.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
    }
    EXPECT_EQ(ask(socket(), {{"verb", "echo"}}).error().code, Errc::unavailable);
    open();
    server->start();
    EXPECT_TRUE(answers());
    struct stat status {};
    ASSERT_EQ(::stat(socket().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0666U);

    server.reset();
    std::ofstream(socket()) << "something of somebody's";
    EXPECT_EQ(Server::open(socket(), [](std::uint64_t) { return false; }).error().code, Errc::invalid);
    EXPECT_EQ(Server::open(folder / std::string(200, 'x'), [](std::uint64_t) { return false; }).error().code, Errc::invalid);
}

// A daemon that is none.
TEST_F(ControlTest, TheClientDoesNotTrustTheAnswer) {
    for (const char* said :
         {"garbage\n", "{}\n", "[]\n", "{\"ok\":true}\n", "{\"ok\":false,\"error\":7}\n", "{\"ok\":\"yes\"}\n"}) {
        const auto path = folder / "false.sock";
        std::filesystem::remove(path);
        auto address = unix_address(path);
        const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
        ASSERT_EQ(::listen(listener.get(), 1), 0);
        std::thread liar([&] {
            const Fd client(::accept(listener.get(), nullptr, nullptr));
            static_cast<void>(send_all(client.get(), said, 1s).has_value());
            static_cast<void>(LineReader(client.get()).next(1s, 1s).has_value());
        });
        auto answer = ask(path, {{"verb", "echo"}});
        EXPECT_EQ(answer.error().code, Errc::malformed) << said;
        liar.join();
    }
}

}  // namespace
}  // namespace assent::control

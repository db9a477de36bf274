// A flow between real sockets: what reaches the session and when, what is read and what is left, and how it ends.
#include <filesystem>

#include "base/limits.h"
#include "unit/app/flow_bench.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;
using io::read_some;
using io::write_all;

TEST(Flow, carries_both_ways_and_ends_when_both_sides_have) {
    FlowBench bench;
    bench.open();
    bench.connect_target();
    write_all(bench.agent.get(), "select 1");
    EXPECT_TRUE(bench.eventually([&] { return bench.session->from_agent == "select 1"; }));
    bench.call([](ScriptedSession& session) { session.ports.send(Side::target, as_bytes("select 1")); });
    EXPECT_EQ(read_some(bench.target.get(), 8), "select 1");
    write_all(bench.target.get(), "one");
    EXPECT_TRUE(bench.eventually([&] { return bench.session->from_target == "one"; }));
    bench.call([](ScriptedSession& session) {
        session.ports.send(Side::agent, as_bytes("goodbye"));
        session.close();
    });
    EXPECT_EQ(read_some(bench.agent.get(), 100), "goodbye") << "what was queued goes before FIN";
    EXPECT_EQ(bench.thread.call([&] { return bench.ended_count; }), 0) << "neither peer has closed yet";
    bench.agent.reset();
    bench.target.reset();
    EXPECT_TRUE(bench.eventually([&] { return bench.ended_count == 1; }));
}

TEST(Flow, ends_without_a_peer_that_never_closes) {
    FlowBench bench;
    bench.open();
    bench.call([](ScriptedSession& session) { session.close(); });
    EXPECT_TRUE(io::eventually(
        bench.thread, [&] { return bench.ended_count == 1; }, limits::closing_timeout + 2s));
}

TEST(Flow, offers_what_was_left_after_any_call_of_the_session) {
    FlowBench bench;
    bench.open();
    bench.thread.call([&] {
        bench.session->takes = 4;
        bench.session->on_received = [&](Side, Bytes) { bench.session->wants_agent = false; };
    });
    write_all(bench.agent.get(), "holdrest");
    EXPECT_TRUE(bench.eventually([&] { return bench.session->from_agent == "hold"; }));
    std::this_thread::sleep_for(30ms);
    EXPECT_EQ(bench.thread.call([&] { return bench.session->from_agent; }), "hold");
    EXPECT_TRUE(bench.thread.call([&] { return bench.is_flow_waiting; }));
    bench.call([](ScriptedSession& session) {
        session.wants_agent = true;
        session.hold_changed({});
    });
    EXPECT_TRUE(bench.eventually([&] { return bench.session->from_agent == "holdrest"; }));
}

TEST(Flow, an_agent_that_vanishes_behind_unread_bytes_fails_its_hold) {
    FlowBench bench;
    bench.open();
    bench.thread.call([&] {
        bench.session->takes = 6;
        bench.session->on_received = [&](Side, Bytes) {
            bench.session->wants_agent = false;
            bench.session->ports.open_hold({});
        };
    });
    write_all(bench.agent.get(), "UPDATESYNC");
    EXPECT_TRUE(bench.eventually([&] { return bench.session->from_agent == "UPDATE"; }));
    EXPECT_FALSE(bench.thread.call([&] { return bench.session->was_told("failed agent"); }));
    bench.agent.reset();
    EXPECT_TRUE(bench.eventually([&] { return bench.session->was_told("failed agent"); }));
    EXPECT_TRUE(bench.eventually([&] { return bench.ended_count == 1; }));
}

TEST(Flow, an_agent_that_vanishes_while_it_is_not_read_is_noticed) {
    FlowBench bench;
    bench.open();
    bench.call([](ScriptedSession& session) { session.wants_agent = false; });
    bench.agent.reset();
    EXPECT_TRUE(bench.eventually([&] { return bench.session->was_told("closed agent"); }));
}

TEST(Flow, a_slow_agent_stops_the_reading_of_its_target) {
    FlowBench bench;
    bench.open(4096);
    bench.connect_target();
    bench.thread.call([&] {
        bench.session->on_received = [&](Side side, Bytes bytes) {
            if (side == Side::target) bench.session->ports.send(Side::agent, bytes);
        };
    });
    std::string rows;
    for (int i = 0; rows.size() < 6 * limits::MiB; ++i) rows += std::to_string(i) + "|";
    std::thread writer([&] { write_all(bench.target.get(), rows); });
    std::this_thread::sleep_for(150ms);
    EXPECT_LT(bench.thread.call([&] { return bench.session->from_target.size(); }), rows.size())
        << "the rest waits at the target";
    EXPECT_EQ(read_some(bench.agent.get(), rows.size()), rows);
    writer.join();
}

TEST(Flow, much_both_ways_at_once_does_not_stall) {
    FlowBench bench;
    bench.open();
    bench.connect_target();
    bench.thread.call([&] {
        bench.session->on_received = [&](Side side, Bytes bytes) {
            bench.session->ports.send(side == Side::agent ? Side::target : Side::agent, bytes);
        };
    });
    std::thread echo([&] {
        for (std::string bytes(64 * limits::KiB, ' ');;) {
            const ssize_t size = ::recv(bench.target.get(), bytes.data(), bytes.size(), 0);
            if (size <= 0) return;
            write_all(bench.target.get(), std::string_view(bytes).substr(0, static_cast<std::size_t>(size)));
        }
    });
    std::string sent;
    for (int i = 0; sent.size() < 16 * limits::MiB; ++i) sent += std::to_string(i) + "+";
    std::thread writer([&] { write_all(bench.agent.get(), sent); });
    EXPECT_TRUE(read_some(bench.agent.get(), sent.size()) == sent);
    writer.join();
    bench.call([](ScriptedSession& session) { session.close(); });
    echo.join();
}

TEST(Flow, a_side_that_does_not_read_its_answers_is_not_listened_to) {
    FlowBench bench;
    bench.open(4096);
    const std::string refusal(limits::KiB, 'n');
    bench.thread.call([&] {
        bench.session->on_received = [&](Side, Bytes bytes) {
            for (std::size_t i = 0; i < bytes.size(); i += 16) bench.session->ports.send(Side::agent, as_bytes(refusal));
        };
    });
    const timeval patience{0, 500'000};
    ::setsockopt(bench.agent.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    write_all(bench.agent.get(), std::string(16 * limits::MiB, 'q'));
    EXPECT_FALSE(bench.thread.call([&] { return bench.session->was_told("failed agent"); })) << "bounded, not failed";
    EXPECT_LT(bench.thread.call([&] { return bench.session->from_agent.size(); }), limits::MiB);
}

TEST(Flow, a_target_that_refuses_is_told) {
    FlowBench bench;
    bench.target_listening.socket.reset();
    bench.open();
    bench.call([](ScriptedSession& session) { session.ports.connect_target(); });
    EXPECT_TRUE(bench.eventually([&] { return bench.session->was_told("target failed"); }));
}

TEST(Flow, closing_while_the_target_is_being_connected_to_is_safe) {
    FlowBench bench;
    bench.open();
    bench.call([](ScriptedSession& session) {
        session.ports.connect_target();
        session.close();
    });
    bench.agent.reset();
    EXPECT_TRUE(bench.eventually([&] { return bench.ended_count == 1; }));
    bench.thread.call([&] { bench.flow.reset(); });
    std::this_thread::sleep_for(20ms);
}

TEST(Flow, wakes_at_the_last_moment_that_was_asked_for) {
    FlowBench bench;
    bench.open();
    const Moment start = system_clock().now();
    bench.call([&](ScriptedSession& session) {
        session.ports.wake_at(start + 20ms);
        session.ports.wake_at(start + 80ms);
    });
    std::this_thread::sleep_for(50ms);
    EXPECT_FALSE(bench.thread.call([&] { return bench.session->was_told("tick"); }));
    EXPECT_TRUE(bench.eventually([&] { return bench.session->was_told("tick"); }));
    EXPECT_GE(system_clock().now(), start + 80ms);
    bench.call([&](ScriptedSession& session) {
        session.told.clear();
        session.ports.wake_at(system_clock().now() + 20ms);
        session.ports.wake_at(Moment::max());
    });
    std::this_thread::sleep_for(60ms);
    EXPECT_FALSE(bench.thread.call([&] { return bench.session->was_told("tick"); }));
}

TEST(Flow, a_cancel_closes_only_when_it_was_done) {
    FlowBench bench;
    bench.open();
    bench.call([](ScriptedSession& session) {
        session.ports.cancel(1, 2);
        session.close();
    });
    pollfd waiting{bench.agent.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 50), 0) << "the agent believes that it was done when we close";
    bench.thread.call([&] { bench.flow->cancel_done(); });
    EXPECT_EQ(read_some(bench.agent.get(), 10), "");
    bench.agent.reset();
    EXPECT_TRUE(bench.eventually([&] { return bench.ended_count == 1; }));
}

// ---- TLS

class FlowTls : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "assent-flow-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder = pattern;
        bench.agent_tls = *tls::server_context(folder, "db.internal");
        bench.target_tls = *tls::client_context(true, folder / "ca.pem", "db.internal");
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    // Moves a channel over a socket until `is_done`.
    template <typename Done>
    static bool move(tls::Channel& channel, int socket, std::string& read, Done is_done) {
        const auto send = [&](Bytes bytes) { write_all(socket, as_text(bytes)); };
        const auto take = [&](Bytes bytes) { read += as_text(bytes); };
        if (!channel.drain(send, take)) return false;
        while (!is_done()) {
            pollfd waiting{socket, POLLIN, 0};
            if (::poll(&waiting, 1, 3000) <= 0) return false;
            std::string bytes(16384, '\0');
            const ssize_t size = ::recv(socket, bytes.data(), bytes.size(), 0);
            if (size <= 0) return false;
            if (!channel.received(as_bytes(bytes.substr(0, static_cast<std::size_t>(size))))) return false;
            if (!channel.drain(send, take)) return false;
        }
        return true;
    }

    std::filesystem::path folder;
    FlowBench bench;
};

TEST_F(FlowTls, begins_in_the_middle_and_hides_what_follows) {
    bench.open();
    bench.thread.call([&] {
        bench.session->takes = 10;
        bench.session->on_received = [&](Side side, Bytes bytes) {
            if (as_text(bytes) != "SSLREQUEST") return;
            bench.session->takes = static_cast<std::size_t>(-1);
            bench.session->ports.send(side, as_bytes("S"));
            bench.session->ports.start_tls(side);
        };
    });
    write_all(bench.agent.get(), "SSLREQUEST");
    EXPECT_EQ(read_some(bench.agent.get(), 1), "S");
    auto client = tls::make_channel(*tls::client_context(true, folder / "ca.pem", "db.internal"));
    std::string read;
    ASSERT_TRUE(move(*client, bench.agent.get(), read, [&] { return client->is_established(); }));
    ASSERT_TRUE(client->send(as_bytes("secret"), [&](Bytes bytes) { write_all(bench.agent.get(), as_text(bytes)); }));
    EXPECT_TRUE(bench.eventually(
        [&] { return bench.session->from_agent == "SSLREQUESTsecret" && bench.session->was_told("tls agent"); }));
    bench.call([](ScriptedSession& session) { session.ports.send(Side::agent, as_bytes("answer")); });
    ASSERT_TRUE(move(*client, bench.agent.get(), read, [&] { return read == "answer"; }));
    bench.call([](ScriptedSession& session) { session.close(); });
    EXPECT_TRUE(move(*client, bench.agent.get(), read, [&] { return client->is_closed(); })) << "close_notify before FIN";
}

TEST_F(FlowTls, keeps_plaintext_that_is_not_wanted) {
    bench.open();
    bench.call([](ScriptedSession& session) { session.ports.start_tls(Side::agent); });
    auto client = tls::make_channel(*tls::client_context(true, folder / "ca.pem", "db.internal"));
    std::string read;
    ASSERT_TRUE(move(*client, bench.agent.get(), read, [&] { return client->is_established(); }));
    bench.call([](ScriptedSession& session) { session.wants_agent = false; });
    ASSERT_TRUE(client->send(as_bytes("later"), [&](Bytes bytes) { write_all(bench.agent.get(), as_text(bytes)); }));
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(bench.thread.call([&] { return bench.session->from_agent; }), "");
    bench.call([](ScriptedSession& session) { session.wants_agent = true; });
    EXPECT_TRUE(bench.eventually([&] { return bench.session->from_agent == "later"; }));
}

TEST_F(FlowTls, refuses_a_target_with_another_name) {
    bench.target_tls = *tls::client_context(true, folder / "ca.pem", "other.internal");
    bench.open();
    bench.connect_target();
    bench.call([](ScriptedSession& session) { session.ports.start_tls(Side::target); });
    auto server = tls::make_channel(*tls::server_context(folder, "db.internal"));
    std::string read;
    (void)move(*server, bench.target.get(), read, [] { return false; });
    EXPECT_TRUE(bench.eventually([&] { return bench.session->was_told("tls failed target"); }));
}

TEST_F(FlowTls, rubbish_instead_of_a_handshake_fails) {
    bench.open();
    bench.call([](ScriptedSession& session) { session.ports.start_tls(Side::agent); });
    write_all(bench.agent.get(), "this is no TLS at all");
    EXPECT_TRUE(bench.eventually([&] { return bench.session->was_told("tls failed agent"); }));
}

TEST_F(FlowTls, nothing_is_sent_in_the_clear_once_it_has_begun) {
    bench.open();
    bench.call([](ScriptedSession& session) {
        session.ports.start_tls(Side::agent);
        session.ports.send(Side::agent, as_bytes("in the clear"));
    });
    EXPECT_TRUE(bench.eventually([&] { return bench.session->was_told("failed agent"); }));
    EXPECT_EQ(read_some(bench.agent.get(), 100), "");
}

}  // namespace
}  // namespace assent::app

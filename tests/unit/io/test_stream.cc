// Streams over real sockets, on the newest ring and on one as old kernels have it.
#include <set>

#include "base/limits.h"
#include "unit/io/loop_thread.h"

namespace assent::io {
namespace {

using namespace std::chrono_literals;

// One side of a test: remembers what it was told.
struct Seen : Stream::Events {
    std::size_t received(Bytes bytes) override {
        const std::size_t taken = std::min(bytes.size(), takes);
        text += as_text(bytes.first(taken));
        if (on_received) on_received();
        return taken;
    }
    void closed() override { ++closed_count; }
    void closing() override { ++closing_count; }
    void failed(std::string_view reason) override {
        ++failed_count;
        why = reason;
        if (on_failed) on_failed();
    }
    void drained() override { ++drained_count; }

    std::unique_ptr<Stream> stream;
    std::size_t takes = static_cast<std::size_t>(-1);
    std::string text;
    int closed_count = 0;
    int closing_count = 0;
    int failed_count = 0;
    int drained_count = 0;
    std::string why;
    std::function<void()> on_received;
    std::function<void()> on_failed;
};

class StreamTest : public testing::TestWithParam<bool> {
protected:
    StreamTest() : thread(GetParam() ? RingOptions{} : RingOptions{false, false, false}) {}
    ~StreamTest() override {
        thread.call([this] { seen.stream.reset(); });
    }

    // A client socket whose other end is seen.stream.
    void open(int receive_buffer = 0) {
        auto listening = make_listening(true);
        client = connect_to(listening.endpoint, receive_buffer);
        Fd accepted(::accept4(listening.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
        thread.call([&] { seen.stream = thread.loop().adopt(std::move(accepted), seen); });
    }
    void resume() {
        thread.call([this] { seen.stream->resume_reading(); });
    }

    LoopThread thread;
    Seen seen;
    Fd client;
};

TEST_P(StreamTest, reads_only_when_asked_to) {
    open();
    write_all(client.get(), "select 1");
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(thread.call([this] { return seen.text; }), "");
    resume();
    EXPECT_TRUE(eventually(thread, [this] { return seen.text == "select 1"; }));
}

TEST_P(StreamTest, offers_what_was_not_taken_again) {
    open();
    thread.call([this] { seen.takes = 3; });
    resume();
    write_all(client.get(), "abcdefgh");
    EXPECT_TRUE(eventually(thread, [this] { return seen.text == "abc"; }));
    std::this_thread::sleep_for(30ms);
    EXPECT_EQ(thread.call([this] { return seen.text; }), "abc") << "a partial take pauses";
    resume();
    EXPECT_TRUE(eventually(thread, [this] { return seen.text == "abcdef"; }));
    write_all(client.get(), "ij");
    ::shutdown(client.get(), SHUT_WR);
    thread.call([this] { seen.takes = 100; });
    resume();
    EXPECT_TRUE(eventually(thread, [this] { return seen.text == "abcdefghij" && seen.closed_count == 1; }));
}

TEST_P(StreamTest, a_partial_take_may_resume_from_inside) {
    open();
    thread.call([this] {
        seen.takes = 1;
        seen.on_received = [this] { seen.stream->resume_reading(); };
    });
    resume();
    write_all(client.get(), "hello");
    EXPECT_TRUE(eventually(thread, [this] { return seen.text == "hello"; }));
}

TEST_P(StreamTest, half_close_keeps_the_other_way_open) {
    open();
    resume();
    write_all(client.get(), "last words");
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_TRUE(eventually(thread, [this] { return seen.closed_count == 1; }));
    EXPECT_EQ(thread.call([this] { return seen.text; }), "last words");
    thread.call([this] {
        seen.stream->send(as_bytes("an answer"));
        seen.stream->shut();
    });
    EXPECT_EQ(read_some(client.get(), 100), "an answer");
    EXPECT_EQ(thread.call([this] { return seen.failed_count; }), 0);
}

TEST_P(StreamTest, a_peer_that_vanishes_is_noticed_while_paused) {
    open();
    client.reset();
    EXPECT_TRUE(eventually(thread, [this] { return seen.closed_count == 1; })) << "nothing was unread: it is closed";
    open();
    reset(client);
    EXPECT_TRUE(eventually(thread, [this] { return seen.failed_count == 1; }));
}

TEST_P(StreamTest, a_peer_that_vanishes_behind_unread_bytes_is_noticed) {
    open();
    write_all(client.get(), "unread");
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_TRUE(eventually(thread, [this] { return seen.closing_count == 1; }));
    EXPECT_EQ(thread.call([this] { return seen.closed_count; }), 0) << "bytes are still before the end";
    resume();
    EXPECT_TRUE(eventually(thread, [this] { return seen.closed_count == 1 && seen.text == "unread"; }));
    EXPECT_EQ(thread.call([this] { return seen.closing_count; }), 1);
}

TEST_P(StreamTest, a_peer_that_says_no_more_keeps_nobody_busy) {
    const auto rounds = std::make_shared<int>(0);
    thread.call([&] { thread.loop().on_round([rounds] { ++*rounds; }); });
    for (const bool is_read : {true, false}) {
        open();
        if (is_read) resume();
        write_all(client.get(), "all that it says");
        ::shutdown(client.get(), SHUT_WR);
        EXPECT_TRUE(eventually(thread, [&] { return (is_read ? seen.closed_count : seen.closing_count) == 1; }));
        const int before = thread.call([&] { return *rounds; });
        std::this_thread::sleep_for(200ms);
        EXPECT_LT(thread.call([&] { return *rounds; }) - before, 20) << (is_read ? "read" : "unread");
        reset(client);
        EXPECT_TRUE(eventually(thread, [this] { return seen.failed_count == 1; })) << "and its reset is noticed";
        seen.failed_count = 0;
    }
}

TEST_P(StreamTest, a_peer_that_vanishes_behind_kept_bytes_is_noticed) {
    open();
    thread.call([this] { seen.takes = 2; });
    resume();
    write_all(client.get(), "abcdef");
    EXPECT_TRUE(eventually(thread, [this] { return seen.text == "ab"; }));
    client.reset();
    EXPECT_TRUE(eventually(thread, [this] { return seen.closing_count == 1; }));
    thread.call([this] { seen.takes = 100; });
    resume();
    EXPECT_TRUE(eventually(thread, [this] { return seen.text == "abcdef" && seen.closed_count == 1; }));
}

TEST_P(StreamTest, sends_more_than_the_socket_takes_in_order) {
    open(4096);
    std::string large;
    for (int i = 0; large.size() < limits::MiB; ++i) large += std::to_string(i) + ",";
    thread.call([&] {
        for (std::size_t at = 0; at < large.size(); at += 10'007)
            seen.stream->send(as_bytes(std::string_view(large).substr(at, 10'007)));
        seen.stream->shut();
    });
    EXPECT_EQ(read_some(client.get(), large.size() + 1), large);
    EXPECT_EQ(thread.call([this] { return seen.drained_count; }), 1);
    EXPECT_EQ(thread.call([this] { return seen.stream->queued_bytes(); }), 0U);
}

TEST_P(StreamTest, many_that_send_in_one_round_each_get_what_is_theirs) {
    constexpr std::size_t count = 16;
    std::vector<std::unique_ptr<Seen>> sides;
    std::vector<Fd> clients;
    for (std::size_t i = 0; i < count; ++i) {
        sides.push_back(std::make_unique<Seen>());
        auto listening = make_listening(true);
        clients.push_back(connect_to(listening.endpoint, 4096));
        Fd accepted(::accept4(listening.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
        thread.call([&] { sides.back()->stream = thread.loop().adopt(std::move(accepted), *sides.back()); });
    }
    // Some fit into their socket and some do not; one has nobody to take it any more.
    const auto text_of = [](std::size_t i) {
        return std::string(i % 3 == 0 ? limits::MiB : 100, static_cast<char>('a' + i));
    };
    reset(clients[4]);
    thread.call([&] {
        for (std::size_t i = 0; i < count; ++i) {
            sides[i]->stream->send(as_bytes(text_of(i)));
            if (i % 2 == 0) sides[i]->stream->shut();
        }
    });
    for (std::size_t i = 0; i < count; ++i) {
        if (i == 4) continue;
        const std::string whole = text_of(i);
        EXPECT_EQ(read_some(clients[i].get(), i % 2 == 0 ? whole.size() + 1 : whole.size()), whole) << i;
    }
    EXPECT_TRUE(eventually(thread, [&] { return sides[4]->failed_count == 1; }));
    thread.call([&] { sides.clear(); });
}

TEST_P(StreamTest, too_much_output_fails_the_stream) {
    open(4096);
    const std::string piece(limits::MiB, 'x');
    thread.call([&] {
        for (std::size_t i = 0; i < limits::output_maximum / limits::MiB + 1; ++i) seen.stream->send(as_bytes(piece));
    });
    EXPECT_TRUE(eventually(thread, [this] { return seen.failed_count == 1; }));
    EXPECT_NE(thread.call([this] { return seen.why; }).find("queue is full"), std::string::npos);
}

TEST_P(StreamTest, a_reset_in_the_middle_of_sending_fails_once) {
    open(4096);
    resume();
    const std::string piece(4 * limits::MiB, 'x');
    thread.call([&] { seen.stream->send(as_bytes(piece)); });
    (void)read_some(client.get(), 1000);
    reset(client);
    EXPECT_TRUE(eventually(thread, [this] { return seen.failed_count == 1; }));
    thread.call([&] { seen.stream->send(as_bytes(piece)); });
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(thread.call([this] { return seen.failed_count; }), 1);
    EXPECT_EQ(thread.call([this] { return seen.closed_count; }), 0);
}

TEST_P(StreamTest, the_last_words_of_a_peer_are_read_though_it_takes_nothing_more) {
    open();
    write_all(client.get(), "FATAL: too many connections");
    client.reset();
    std::this_thread::sleep_for(20ms);
    thread.call([this] {
        seen.stream->send(as_bytes("startup"));
        seen.stream->resume_reading();
    });
    EXPECT_TRUE(eventually(thread, [this] { return seen.text == "FATAL: too many connections"; }));
}

TEST_P(StreamTest, may_be_destroyed_inside_its_own_callbacks) {
    open();
    thread.call([this] { seen.on_received = [this] { seen.stream.reset(); }; });
    resume();
    write_all(client.get(), "x");
    EXPECT_EQ(read_some(client.get(), 10), "");
    EXPECT_TRUE(eventually(thread, [this] { return seen.stream == nullptr; }));

    thread.call([this] {
        seen.on_received = nullptr;
        seen.on_failed = [this] { seen.stream.reset(); };
    });
    open();
    resume();
    reset(client);
    EXPECT_TRUE(eventually(thread, [this] { return seen.stream == nullptr; }));
}

TEST_P(StreamTest, may_be_destroyed_with_everything_under_way) {
    for (int i = 0; i < 20; ++i) {
        open(4096);
        thread.call([this] {
            seen.stream->resume_reading();
            seen.stream->send(as_bytes(std::string(limits::MiB, 'x')));
        });
        write_all(client.get(), "more");
        thread.call([this] { seen.stream.reset(); });
    }
}

// Copies both ways as a flow does: full output stops reading at the other side.
struct Relay {
    struct Half : Stream::Events {
        std::size_t received(Bytes bytes) override {
            other->stream->send(bytes);
            most_queued = std::max(most_queued, other->stream->queued_bytes());
            if (other->stream->queued_bytes() > limits::output_high_water) stream->pause_reading();
            return bytes.size();
        }
        void closed() override { other->stream->shut(); }
        void failed(std::string_view) override { failures += 1; }
        void drained() override { other->stream->resume_reading(); }
        std::unique_ptr<Stream> stream;
        Half* other = nullptr;
        std::size_t most_queued = 0;
        int failures = 0;
    };
    Half agent;
    Half target;
    Relay() {
        agent.other = &target;
        target.other = &agent;
    }
};

TEST_P(StreamTest, a_slow_reader_bounds_the_memory_of_a_relay) {
    auto agents = make_listening(true);
    auto targets = make_listening(true, 4096);
    auto relay = std::make_unique<Relay>();
    Fd agent = connect_to(agents.endpoint);
    Fd accepted(::accept4(agents.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    thread.call([&] {
        relay->agent.stream = thread.loop().adopt(std::move(accepted), relay->agent);
        thread.loop().connect(targets.endpoint, 5s, relay->target, [&](Result<std::unique_ptr<Stream>> made) {
            ASSERT_TRUE(made);
            relay->target.stream = std::move(*made);
            relay->agent.stream->resume_reading();
            relay->target.stream->resume_reading();
        });
    });
    Fd target(::accept4(targets.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string sent;
    for (int i = 0; sent.size() < 3 * limits::MiB; ++i) sent += std::to_string(i) + ";";
    std::thread writer([&] {
        write_all(agent.get(), sent);
        ::shutdown(agent.get(), SHUT_WR);
    });
    std::this_thread::sleep_for(100ms);
    EXPECT_LE(thread.call([&] { return relay->target.stream->queued_bytes(); }),
              limits::output_high_water + limits::io_buffer_size);
    EXPECT_EQ(read_some(target.get(), sent.size() + 1), sent);
    writer.join();
    write_all(target.get(), "done");
    target.reset();
    EXPECT_EQ(read_some(agent.get(), 100), "done");
    EXPECT_LE(thread.call([&] { return relay->agent.most_queued; }), limits::output_high_water + limits::io_buffer_size);
    thread.call([&] { relay.reset(); });
}

INSTANTIATE_TEST_SUITE_P(Kernels, StreamTest, testing::Bool(), [](const auto& kind) { return kind.param ? "new" : "old"; });

}  // namespace
}  // namespace assent::io

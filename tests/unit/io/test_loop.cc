// Accepting, connecting, timers and the mailbox.
#include <fcntl.h>

#include <atomic>

#include "unit/io/loop_thread.h"

namespace assent::io {
namespace {

using namespace std::chrono_literals;

struct Echo : Stream::Events {
    std::size_t received(Bytes bytes) override {
        stream->send(bytes);
        return bytes.size();
    }
    void closed() override { is_over = true; }
    void failed(std::string_view) override { is_over = true; }
    void drained() override {}
    std::unique_ptr<Stream> stream;
    bool is_over = false;
};

class LoopTest : public testing::TestWithParam<bool> {
protected:
    LoopTest() : thread(GetParam() ? RingOptions{} : RingOptions{false, false, false}) {}
    std::vector<std::unique_ptr<Echo>> echoes;  // outlives the loop, whose rounds look at it
    LoopThread thread;
};

TEST_P(LoopTest, a_thousand_connections_are_opened_used_and_dropped) {
    auto listening = make_listening(false);
    std::size_t count = 0;
    thread.call([&] {
        ASSERT_TRUE(thread.loop().accept_from(std::move(listening.socket), [&](Fd accepted) {
            ++count;
            auto echo = std::make_unique<Echo>();
            echo->stream = thread.loop().adopt(std::move(accepted), *echo);
            echo->stream->resume_reading();
            echoes.push_back(std::move(echo));
        }));
        thread.loop().on_round([&] { std::erase_if(echoes, [](const auto& each) { return each->is_over; }); });
    });
    for (int i = 0; i < 1000; ++i) {
        Fd client = connect_to(listening.endpoint);
        if (i % 3 == 0) {
            write_all(client.get(), "ping");
            EXPECT_EQ(read_some(client.get(), 4), "ping");
        } else if (i % 3 == 1) {
            write_all(client.get(), "ping");
            reset(client);
        }
    }
    EXPECT_TRUE(eventually(thread, [&] { return count == 1000 && echoes.empty(); }));
    thread.call([&] { thread.loop().stop_accepting(); });
    std::this_thread::sleep_for(20ms);
    Fd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    const socklen_t size = listening.endpoint.to(address);
    EXPECT_NE(::connect(late.get(), reinterpret_cast<sockaddr*>(&address), size), 0) << "nobody listens any more";
}

TEST_P(LoopTest, released_listeners_lose_nobody) {
    auto listening = make_listening(false);
    const Fd other(::fcntl(listening.socket.get(), F_DUPFD_CLOEXEC, 0));
    std::vector<Fd> taken;
    bool is_released = false;
    thread.call([&] {
        ASSERT_TRUE(thread.loop().accept_from(std::move(listening.socket),
                                              [&](Fd accepted) { taken.push_back(std::move(accepted)); }));
    });
    std::vector<Fd> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(connect_to(listening.endpoint));
    thread.call([&] { thread.loop().release_listeners([&] { is_released = true; }); });
    for (int i = 0; i < 20; ++i) clients.push_back(connect_to(listening.endpoint));
    EXPECT_TRUE(eventually(thread, [&] { return is_released; }));
    for (int i = 0; i < 20; ++i) clients.push_back(connect_to(listening.endpoint));
    // Whoever holds the socket too gives the others what waits for them.
    const auto before = thread.call([&] { return taken.size(); });
    for (std::size_t i = before; i < clients.size(); ++i) {
        const Fd accepted(::accept4(other.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        EXPECT_TRUE(accepted.is_open()) << i;
    }
    thread.call([&] { EXPECT_EQ(taken.size(), before); });
}

TEST_P(LoopTest, a_refused_connect_says_so) {
    auto nobody = make_listening(false);
    Echo events;
    std::string why;
    thread.call([&] {
        thread.loop().connect(nobody.endpoint, 5s, events, [&](Result<std::unique_ptr<Stream>> made) {
            why = made ? "connected" : made.error().message;
        });
    });
    EXPECT_TRUE(eventually(thread, [&] { return !why.empty(); }));
    EXPECT_NE(why.find("refused"), std::string::npos) << why;
    EXPECT_NE(why.find(nobody.endpoint.to_text()), std::string::npos) << why;
}

TEST_P(LoopTest, a_connect_that_nobody_answers_ends_at_its_timeout) {
    // A full backlog does not answer: the kernel drops the SYN.
    auto full = make_listening(false);
    ASSERT_EQ(::listen(full.socket.get(), 0), 0);
    std::vector<Fd> waiting;
    for (int i = 0; i < 3; ++i) {
        Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_storage address{};
        const socklen_t size = full.endpoint.to(address);
        (void)::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size);
        waiting.push_back(std::move(socket));
    }
    Echo events;
    std::string why;
    thread.call([&] {
        thread.loop().connect(full.endpoint, 150ms, events, [&](Result<std::unique_ptr<Stream>> made) {
            why = made ? "connected" : made.error().message;
        });
    });
    EXPECT_TRUE(eventually(thread, [&] { return !why.empty(); }));
    EXPECT_NE(why.find("timed out"), std::string::npos) << why;
}

TEST_P(LoopTest, timers_run_in_order_once_and_can_be_cancelled) {
    std::string order;
    std::vector<std::unique_ptr<Loop::Timer>> timers;
    const Moment start = std::chrono::steady_clock::now();
    Moment last{};
    thread.call([&] {
        timers.push_back(thread.loop().at(start + 60ms, [&] {
            order += 'c';
            last = std::chrono::steady_clock::now();
        }));
        timers.push_back(thread.loop().at(start + 20ms, [&] {
            order += 'a';
            timers[3].reset();
        }));
        timers.push_back(thread.loop().at(start + 40ms, [&] { order += 'b'; }));
        timers.push_back(thread.loop().at(start + 50ms, [&] { order += 'x'; }));
    });
    EXPECT_TRUE(eventually(thread, [&] { return order.size() >= 3; }));
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(thread.call([&] { return order; }), "abc");
    EXPECT_GE(last - start, 60ms);
    thread.call([&] { timers.clear(); });
}

TEST_P(LoopTest, a_timer_that_always_adds_one_more_does_not_keep_the_loop) {
    std::unique_ptr<Loop::Timer> timer;
    int count = 0;
    std::function<void()> again = [&] {
        ++count;
        timer = thread.loop().at(std::chrono::steady_clock::now(), again);
    };
    thread.call([&] { again(); });
    EXPECT_TRUE(eventually(thread, [&] { return count > 10; })) << "tasks are run between";
    thread.call([&] { timer.reset(); });
}

TEST_P(LoopTest, posts_from_many_threads_all_arrive_and_each_in_order) {
    constexpr int each = 2000;
    std::array<std::vector<int>, 4> seen;
    std::vector<std::thread> threads;
    for (std::size_t who = 0; who < seen.size(); ++who) {
        threads.emplace_back([&, who] {
            for (int i = 0; i < each; ++i) thread.loop().post([&seen, who, i] { seen[who].push_back(i); });
        });
    }
    for (auto& poster : threads) poster.join();
    thread.call([] {});
    for (const auto& numbers : seen) {
        ASSERT_EQ(numbers.size(), static_cast<std::size_t>(each));
        EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
    }
}

TEST(LoopEnd, a_loop_with_connects_and_accepts_under_way_can_be_destroyed) {
    auto listening = make_listening(false);
    auto silent = make_listening(false);
    ASSERT_EQ(::listen(silent.socket.get(), 0), 0);
    Fd filler = connect_to(silent.endpoint);
    Echo events;
    bool was_called = false;
    {
        LoopThread thread;
        thread.call([&] {
            ASSERT_TRUE(thread.loop().accept_from(std::move(listening.socket), [](Fd) {}));
            for (int i = 0; i < 3; ++i) {
                thread.loop().connect(silent.endpoint, 30s, events,
                                      [&](Result<std::unique_ptr<Stream>> made) { was_called = !made; });
            }
        });
    }
    EXPECT_FALSE(was_called);
}

INSTANTIATE_TEST_SUITE_P(Kernels, LoopTest, testing::Bool(), [](const auto& kind) { return kind.param ? "new" : "old"; });

}  // namespace
}  // namespace assent::io

// A loop on a thread of its own, and plain blocking sockets to talk to it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "io/ring_loop.h"

namespace assent::io {

class LoopThread {
public:
    explicit LoopThread(RingOptions options = {}) {
        // Made here and run there, as a daemon may do it.
        auto made = make_ring_loop(options);
        EXPECT_TRUE(made) << made.error().message;
        loop_ = made->get();
        thread_ = std::thread([this, own = std::move(*made)]() mutable {
            own->run();
            may_end_.wait(false);  // whoever posts last must have come back from it
            own.reset();
        });
    }
    ~LoopThread() {
        loop_->post([this] { loop_->stop(); });
        may_end_ = true;
        may_end_.notify_one();
        thread_.join();
    }
    [[nodiscard]] Loop& loop() { return *loop_; }
    // Runs `task` on the loop's thread and waits for it.
    template <typename Task>
    auto call(Task task) {
        using Value = std::invoke_result_t<Task>;
        std::mutex mutex;
        std::condition_variable changed;
        bool is_done = false;
        std::optional<std::conditional_t<std::is_void_v<Value>, bool, Value>> value;
        loop_->post([&] {
            if constexpr (std::is_void_v<Value>) {
                task();
            } else {
                value = task();
            }
            const std::lock_guard lock(mutex);
            is_done = true;
            changed.notify_one();
        });
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return is_done; });
        if constexpr (!std::is_void_v<Value>) return std::move(*value);
    }

private:
    Loop* loop_ = nullptr;
    std::atomic<bool> may_end_ = false;
    std::thread thread_;
};

struct Listening {
    Fd socket;
    model::Endpoint endpoint;
};

inline Listening make_listening(bool is_listening, int receive_buffer = 0) {
    Listening result;
    result.socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer > 0) ::setsockopt(result.socket.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(result.socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    EXPECT_EQ(::getsockname(result.socket.get(), reinterpret_cast<sockaddr*>(&bound), &size), 0);
    result.endpoint = *model::Endpoint::from(bound);
    if (is_listening) {
        EXPECT_EQ(::listen(result.socket.get(), 128), 0);
    }
    return result;
}

inline Fd connect_to(const model::Endpoint& endpoint, int receive_buffer = 0) {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer > 0) ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_storage address{};
    const socklen_t size = endpoint.to(address);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    const int one = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return socket;
}

inline void write_all(int socket, std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
        if (size <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(size));
    }
}

// Up to `size` bytes, less at the end of the stream or after five seconds without any.
inline std::string read_some(int socket, std::size_t size) {
    std::string text;
    while (text.size() < size) {
        pollfd waiting{socket, POLLIN, 0};
        if (::poll(&waiting, 1, 5000) <= 0) break;
        std::string part(std::min<std::size_t>(size - text.size(), 1U << 20U), '\0');
        const ssize_t got = ::recv(socket, part.data(), part.size(), 0);
        if (got <= 0) break;
        text.append(part, 0, static_cast<std::size_t>(got));
    }
    return text;
}

// Closes with a reset.
inline void reset(Fd& socket) {
    const linger hard{1, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    socket.reset();
}

// Waits until `check` holds on the loop's thread.
template <typename Check>
bool eventually(LoopThread& thread, Check check, std::chrono::milliseconds limit = std::chrono::seconds(5)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end) {
        if (thread.call(check)) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
}

}  // namespace assent::io

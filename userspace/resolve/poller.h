// Waits for descriptors on one thread (epoll), and calls what was registered for those that are ready. Other threads may
// wake it. liburing is for flows: this is a few hundred datagrams at most, and a thread of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "base/fd.h"
#include "base/result.h"

namespace assent::resolve {

class Poller {
public:
    using Handler = std::function<void(std::uint32_t events)>;

    [[nodiscard]] static Result<Poller> make();

    // `events` as of epoll(7), level-triggered. Gives a number for change() and remove(). The descriptor stays the caller's,
    // who removes it before it is closed.
    [[nodiscard]] Result<std::uint64_t> add(int descriptor, std::uint32_t events, Handler handler);
    void change(std::uint64_t number, std::uint32_t events);
    void remove(std::uint64_t number);

    // Calls the handlers of what is ready now, or is first within `timeout_ms`. A handler may add and remove others.
    void wait(int timeout_ms);
    // Thread: any.
    void wake() const;

private:
    struct Entry {
        int descriptor = -1;
        Handler handler;
    };
    Fd epoll_;
    Fd waker_;
    std::uint64_t last_number_ = 0;
    std::unordered_map<std::uint64_t, Entry> entries_;
};

}  // namespace assent::resolve

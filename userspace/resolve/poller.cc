#include "resolve/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace assent::resolve {

Result<Poller> Poller::make() {
    Poller out;
    out.epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
    out.waker_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!out.epoll_.is_open() || !out.waker_.is_open()) return fail_errno("epoll", errno);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = 0;
    if (::epoll_ctl(out.epoll_.get(), EPOLL_CTL_ADD, out.waker_.get(), &event) != 0) return fail_errno("epoll", errno);
    return out;
}

Result<std::uint64_t> Poller::add(int descriptor, std::uint32_t events, Handler handler) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = ++last_number_;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) return fail_errno("epoll", errno);
    entries_.emplace(last_number_, Entry{descriptor, std::move(handler)});
    return last_number_;
}

void Poller::change(std::uint64_t number, std::uint32_t events) {
    const auto found = entries_.find(number);
    if (found == entries_.end()) return;
    epoll_event event{};
    event.events = events;
    event.data.u64 = number;
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, found->second.descriptor, &event);
}

void Poller::remove(std::uint64_t number) {
    const auto found = entries_.find(number);
    if (found == entries_.end()) return;
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.descriptor, nullptr);
    entries_.erase(found);
}

void Poller::wait(int timeout_ms) {
    std::array<epoll_event, 64> ready{};
    const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), timeout_ms);
    for (int i = 0; i < count; ++i) {
        const auto& event = ready[static_cast<std::size_t>(i)];
        if (event.data.u64 == 0) {
            std::uint64_t value = 0;
            (void)!::read(waker_.get(), &value, sizeof value);
            continue;
        }
        // An earlier handler of this round may have removed it.
        const auto found = entries_.find(event.data.u64);
        if (found == entries_.end()) continue;
        const Handler handler = found->second.handler;
        handler(event.events);
    }
}

void Poller::wake() const {
    const std::uint64_t one = 1;
    (void)!::write(waker_.get(), &one, sizeof one);
}

}  // namespace assent::resolve

// How often names of a database changed meaning (DDL), and whether they are about to, for all sessions of the daemon: which
// targets are one database under several addresses is not known. Thread: any.
#pragma once

#include <atomic>
#include <cstdint>

namespace assent::app {

class NamesGeneration {
public:
    // A session's commands that may change them are under way.
    void begin_change() noexcept { changing_.fetch_add(1, std::memory_order_acq_rel); }
    // They have all ended. Gives the new value.
    std::uint64_t end_change() noexcept {
        const std::uint64_t value = value_.fetch_add(1, std::memory_order_acq_rel) + 1;
        changing_.fetch_sub(1, std::memory_order_release);
        return value;
    }
    [[nodiscard]] unsigned changing() const noexcept { return changing_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint64_t value() const noexcept { return value_.load(std::memory_order_acquire); }

private:
    std::atomic<std::uint64_t> value_{1};
    std::atomic<unsigned> changing_{0};  // sessions
};

}  // namespace assent::app

// Counts how often the names of a target changed meaning (DDL), for all sessions that talk to it. Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace assent::app {

class NamesGeneration {
public:
    void change() noexcept { value_.fetch_add(1, std::memory_order_release); }
    [[nodiscard]] std::uint64_t value() const noexcept { return value_.load(std::memory_order_acquire); }

private:
    std::atomic<std::uint64_t> value_{1};
};

// One for each target's name. As many as policies have named since the start.
class NamesGenerations {
public:
    [[nodiscard]] std::shared_ptr<NamesGeneration> of(const std::string& target) {
        const std::lock_guard lock(mutex_);
        auto& generation = by_target_[target];
        if (!generation) generation = std::make_shared<NamesGeneration>();
        return generation;
    }

private:
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<NamesGeneration>> by_target_;
};

}  // namespace assent::app

// Timers in order of their moment. Thread: one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "io/loop.h"

namespace assent::io {

class Timers {
public:
    Timers() = default;
    Timers(const Timers&) = delete;
    Timers& operator=(const Timers&) = delete;

    [[nodiscard]] std::unique_ptr<Loop::Timer> at(Moment when, std::function<void()> callback);
    [[nodiscard]] std::optional<Moment> next() const;
    // Calls those that were due at `now`, earliest first. Callbacks may add and cancel timers.
    void run(Moment now);

private:
    class Handle;
    using Key = std::pair<Moment, std::uint64_t>;  // the number keeps the order of equal moments
    std::map<Key, std::function<void()>> waiting_;
    std::uint64_t count_ = 0;
};

}  // namespace assent::io

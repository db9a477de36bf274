// Two clocks, never mixed: Moment for deadlines (monotonic), WallTime for what people read and what is recorded.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace assent {

using Duration = std::chrono::nanoseconds;
using Moment = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

// Sans-I/O code takes the time from here, so that a simulation can make its own. Thread: any.
class Clock {
public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual Moment now() const = 0;
    [[nodiscard]] virtual WallTime wall() const = 0;
};

[[nodiscard]] const Clock& system_clock() noexcept;

// "2026-11-22T14:29:36.123456Z"
[[nodiscard]] std::string to_rfc3339(WallTime time);

}  // namespace assent

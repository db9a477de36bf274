// Times as the database keeps them: microseconds since the epoch.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/time.h"

namespace assent::approve {

[[nodiscard]] inline std::int64_t micros(WallTime time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

[[nodiscard]] inline WallTime wall_of(std::int64_t value) {
    return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::microseconds(value)));
}

}  // namespace assent::approve

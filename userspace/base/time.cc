#include "base/time.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace assent {
namespace {

class SystemClock final : public Clock {
public:
    Moment now() const override { return std::chrono::steady_clock::now(); }
    WallTime wall() const override { return std::chrono::system_clock::now(); }
};

}  // namespace

const Clock& system_clock() noexcept {
    static const SystemClock clock;
    return clock;
}

std::string to_rfc3339(WallTime time) {
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
    const auto seconds = static_cast<std::time_t>(micros / 1'000'000);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(seconds), micros % 1'000'000);
}

}  // namespace assent

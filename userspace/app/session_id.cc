#include "app/session_id.h"

#include <cstdint>

#include "base/digest.h"

namespace assent::app {

std::string make_session_id(WallTime now) {
    constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";
    const auto time_ms =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
    std::uint64_t random = 0;
    fill_random(std::as_writable_bytes(std::span(&random, 1)));
    std::string id(16, '0');
    for (std::size_t i = 0; i < 9; ++i) id[i] = digits[time_ms >> (5 * (8 - i)) & 31U];
    for (std::size_t i = 0; i < 7; ++i) id[9 + i] = digits[random >> (5 * i) & 31U];
    return id;
}

}  // namespace assent::app

// Limits of an upgrade, as those of base/limits.h.
#pragma once

#include <chrono>
#include <cstddef>

namespace assent::limits {

inline constexpr auto upgrade_drain = std::chrono::seconds(30);       // for sessions that are open when it begins
inline constexpr auto upgrade_drain_maximum = std::chrono::hours(1);  // that the settings may ask for
inline constexpr auto upgrade_pause =
    std::chrono::seconds(2);  // for sessions that came during the drain, while nothing is accepted
inline constexpr auto upgrade_check_timeout =
    std::chrono::seconds(30);  // for the new program to read the settings and try the kernel
inline constexpr std::size_t handed_over_sockets = 16 * 1024;

}  // namespace assent::limits

#include "cli/duration.h"

#include <charconv>

namespace assent::cli {

std::optional<long long> seconds_of(std::string_view text) {
    constexpr long long most = 10'000;
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end + 1 != text.data() + text.size() || number < 1 || number > most) return std::nullopt;
    switch (*end) {
        case 's':
            return number;
        case 'm':
            return 60LL * number;
        case 'h':
            return 3600LL * number;
        case 'd':
            return 24LL * 3600 * number;
        default:
            return std::nullopt;
    }
}

}  // namespace assent::cli

// Time zones of the system's tz database, read without touching the process's own zone (TZ, tzset), so any thread may ask.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace assent::policy {

class TimeZone {
public:
    // "Europe/Madrid", "UTC". Errors: Errc::not_found for a name that the database does not have, Errc::malformed for a file
    // that is not of RFC 8536.
    [[nodiscard]] static Result<std::shared_ptr<const TimeZone>> load(std::string_view name);
    // The same from the bytes of a TZif file.
    [[nodiscard]] static Result<std::shared_ptr<const TimeZone>> parse(std::string_view file);

    // East of UTC, at a moment in seconds since 1970.
    [[nodiscard]] std::int64_t offset_seconds_at(std::int64_t unix_seconds) const;

private:
    struct Transition {
        std::int64_t at = 0;
        std::int64_t offset = 0;
    };
    // When a yearly change happens: month, week and weekday, a day of the year, in seconds from that day's local midnight.
    struct ChangeDay {
        enum class Kind : std::uint8_t { month_week_day, day_without_leap, day_of_year } kind = Kind::month_week_day;
        int month = 1;
        int week = 1;
        int day = 0;
        std::int64_t time = 7200;
        [[nodiscard]] std::int64_t in_year(std::int64_t year) const;  // local seconds since 1970
    };
    struct Yearly {
        std::int64_t standard = 0;
        std::int64_t summer = 0;
        bool has_summer = false;
        ChangeDay start;
        ChangeDay end;
    };
    class FooterReader;

    std::int64_t first_offset_ = 0;
    std::vector<Transition> transitions_;  // sorted by `at`
    bool has_yearly_ = false;
    Yearly yearly_;  // after the last transition
};

}  // namespace assent::policy

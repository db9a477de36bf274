#include "policy/zone.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "base/cursor.h"
#include "base/shown_text.h"

namespace assent::policy {
namespace {

constexpr std::size_t largest_file = 1024 * 1024;
constexpr std::uint32_t most_transitions = 100'000;
constexpr std::int64_t seconds_a_day = 86'400;

bool is_zone_name(std::string_view name) {
    if (name.empty() || name.size() > 100 || name.front() == '/' || name.find("..") != std::string_view::npos) return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
               c == '-' || c == '+';
    });
}

std::int64_t days_since_1970(std::int64_t year, unsigned month, unsigned day) {
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                                           std::chrono::day(day)};
    return std::chrono::sys_days(date).time_since_epoch().count();
}

bool is_leap(std::int64_t year) { return std::chrono::year(static_cast<int>(year)).is_leap(); }

struct Counts {
    std::uint32_t is_ut, is_standard, leaps, transitions, types, names;
};

std::optional<Counts> read_header(Cursor& cursor) {
    const bool is_tzif = as_text(cursor.bytes(4)) == "TZif";
    const std::uint8_t version = cursor.u8();
    (void)cursor.bytes(15);
    Counts counts{cursor.u32(), cursor.u32(), cursor.u32(), cursor.u32(), cursor.u32(), cursor.u32()};
    if (!cursor.ok() || !is_tzif || version < '2' || counts.transitions > most_transitions || counts.types > 256)
        return std::nullopt;
    return counts;
}

}  // namespace

std::int64_t TimeZone::ChangeDay::in_year(std::int64_t year) const {
    std::int64_t date = days_since_1970(year, 1, 1);
    if (kind == Kind::day_of_year) {
        date += day;
    } else if (kind == Kind::day_without_leap) {
        date += day - 1 + (is_leap(year) && day >= 60 ? 1 : 0);
    } else {
        const std::int64_t first = days_since_1970(year, static_cast<unsigned>(month), 1);
        const std::int64_t weekday_of_first = ((first + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
        date = first + (day - weekday_of_first + 7) % 7 + 7 * (week - 1);
        const std::int64_t next =
            month == 12 ? days_since_1970(year + 1, 1, 1) : days_since_1970(year, static_cast<unsigned>(month) + 1, 1);
        while (date >= next) date -= 7;  // week 5 is the last one
    }
    return date * seconds_a_day + time;
}

// The POSIX TZ text at the end of the file: what holds after the last transition.
class TimeZone::FooterReader {
public:
    explicit FooterReader(std::string_view text) : rest_(text) {}

    std::optional<Yearly> read() {
        Yearly out;
        if (!skip_name()) return std::nullopt;
        const auto standard = clock();
        if (!standard) return std::nullopt;
        out.standard = -*standard;  // POSIX counts to the west
        if (rest_.empty()) return out;
        if (!skip_name()) return std::nullopt;
        out.summer = out.standard + 3600;
        if (!rest_.empty() && rest_.front() != ',') {
            const auto summer = clock();
            if (!summer) return std::nullopt;
            out.summer = -*summer;
        }
        out.has_summer = change(out.start) && change(out.end) && rest_.empty();
        return out.has_summer ? std::optional(out) : std::nullopt;
    }

private:
    bool eat(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool skip_name() {
        if (eat('<')) {
            const auto end = rest_.find('>');
            if (end == std::string_view::npos) return false;
            rest_.remove_prefix(end + 1);
            return true;
        }
        const std::size_t before = rest_.size();
        while (!rest_.empty() &&
               ((rest_.front() >= 'a' && rest_.front() <= 'z') || (rest_.front() >= 'A' && rest_.front() <= 'Z')))
            rest_.remove_prefix(1);
        return before - rest_.size() >= 3;
    }
    std::optional<int> number(int least, int most) {
        int value = 0;
        std::size_t digits = 0;
        while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9' && digits < 4) {
            value = value * 10 + (rest_.front() - '0');
            rest_.remove_prefix(1);
            ++digits;
        }
        return digits > 0 && value >= least && value <= most ? std::optional(value) : std::nullopt;
    }
    // [+-]hh[:mm[:ss]] in seconds
    std::optional<std::int64_t> clock() {
        const bool is_negative = eat('-');
        if (!is_negative) (void)eat('+');
        const auto hours = number(0, 167);
        if (!hours) return std::nullopt;
        std::int64_t seconds = *hours * 3600LL;
        for (const int unit : {60, 1}) {
            if (!eat(':')) break;
            const auto part = number(0, 59);
            if (!part) return std::nullopt;
            seconds += static_cast<std::int64_t>(*part) * unit;
        }
        return is_negative ? -seconds : seconds;
    }
    bool change(ChangeDay& out) {
        if (!eat(',')) return false;
        std::optional<int> day;
        if (eat('M')) {
            const auto month = number(1, 12);
            const auto week = month && eat('.') ? number(1, 5) : std::nullopt;
            day = week && eat('.') ? number(0, 6) : std::nullopt;
            out.month = month.value_or(1);
            out.week = week.value_or(1);
        } else if (eat('J')) {
            out.kind = ChangeDay::Kind::day_without_leap;
            day = number(1, 365);
        } else {
            out.kind = ChangeDay::Kind::day_of_year;
            day = number(0, 365);
        }
        if (!day) return false;
        out.day = *day;
        if (!eat('/')) return true;
        const auto time = clock();
        out.time = time.value_or(0);
        return time.has_value();
    }

    std::string_view rest_;
};

Result<std::shared_ptr<const TimeZone>> TimeZone::load(std::string_view name) {
    if (!is_zone_name(name))
        return fail(Errc::not_found, fmt::format("there is no time zone '{}'; write it as Europe/Madrid", shown_text(name)));
    const std::filesystem::path path = std::filesystem::path("/usr/share/zoneinfo") / name;
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) {
        if (name == "UTC") return std::make_shared<const TimeZone>();
        return fail(
            Errc::not_found,
            fmt::format("there is no time zone '{}' in /usr/share/zoneinfo; write it as Europe/Madrid", shown_text(name)));
    }
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    return parse(text);
}

Result<std::shared_ptr<const TimeZone>> TimeZone::parse(std::string_view file) {
    const auto malformed = [] { return fail(Errc::malformed, "the time zone's file is not TZif of version 2 or later"); };
    if (file.size() > largest_file) return malformed();
    Cursor cursor(as_bytes(file));
    const auto old = read_header(cursor);  // the 32-bit data of version 1: skipped
    if (!old) return malformed();
    (void)cursor.bytes(old->transitions * 5ULL + old->types * 6ULL + old->names + old->leaps * 8ULL + old->is_standard +
                       old->is_ut);
    const auto counts = read_header(cursor);
    if (!counts || counts->types == 0) return malformed();
    auto zone = std::make_shared<TimeZone>();
    for (std::uint32_t i = 0; i < counts->transitions; ++i)
        zone->transitions_.push_back({static_cast<std::int64_t>(cursor.u64()), 0});
    std::vector<std::uint8_t> kinds;
    for (std::uint32_t i = 0; i < counts->transitions; ++i) kinds.push_back(cursor.u8());
    std::vector<std::int64_t> offsets;
    for (std::uint32_t i = 0; i < counts->types; ++i) {
        offsets.push_back(cursor.i32());
        (void)cursor.bytes(2);
    }
    (void)cursor.bytes(counts->names + counts->leaps * 12ULL + counts->is_standard + counts->is_ut);
    const std::string_view footer = as_text(cursor.take_rest());
    if (!cursor.ok() || footer.size() < 2 || footer.front() != '\n' || footer.back() != '\n') return malformed();
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        if (kinds[i] >= offsets.size()) return malformed();
        zone->transitions_[i].offset = offsets[kinds[i]];
    }
    if (!std::is_sorted(zone->transitions_.begin(), zone->transitions_.end(),
                        [](const auto& a, const auto& b) { return a.at < b.at; }))
        return malformed();
    zone->first_offset_ = offsets[0];
    const std::string_view rule = footer.substr(1, footer.size() - 2);
    if (rule.empty()) return zone;
    const auto yearly = FooterReader(rule).read();
    if (!yearly) return malformed();
    zone->has_yearly_ = true;
    zone->yearly_ = *yearly;
    return zone;
}

std::int64_t TimeZone::offset_seconds_at(std::int64_t unix_seconds) const {
    const bool is_after_all = transitions_.empty() || unix_seconds >= transitions_.back().at;
    if (!is_after_all || !has_yearly_) {
        const auto next = std::upper_bound(transitions_.begin(), transitions_.end(), unix_seconds,
                                           [](std::int64_t at, const Transition& t) { return at < t.at; });
        return next == transitions_.begin() ? first_offset_ : std::prev(next)->offset;
    }
    if (!yearly_.has_summer) return yearly_.standard;
    const auto day = std::chrono::floor<std::chrono::days>(
        std::chrono::sys_seconds(std::chrono::seconds(unix_seconds + yearly_.standard)));
    const auto year = static_cast<int>(std::chrono::year_month_day(day).year());
    const std::int64_t start = yearly_.start.in_year(year) - yearly_.standard;
    const std::int64_t end = yearly_.end.in_year(year) - yearly_.summer;
    // In the south the summer spans the new year.
    const bool is_summer =
        start < end ? unix_seconds >= start && unix_seconds < end : unix_seconds >= start || unix_seconds < end;
    return is_summer ? yearly_.summer : yearly_.standard;
}

}  // namespace assent::policy

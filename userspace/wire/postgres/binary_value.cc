// The formats are those of the *_send functions of src/backend/utils/adt.
#include "wire/postgres/binary_value.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/cursor.h"

namespace assent::wire::postgres {
namespace {

using Text = std::optional<std::string>;
using Decoder = Text (*)(Cursor&);

constexpr std::int64_t microseconds_a_second = 1'000'000;
constexpr std::int64_t microseconds_a_day = 86'400 * microseconds_a_second;
constexpr std::size_t deepest_array = 6;
constexpr int spare_groups = 8;  // of four digits

std::int64_t read_i64(Cursor& cursor) {
    const std::uint64_t high = cursor.u32();
    return static_cast<std::int64_t>(high << 32U | cursor.u32());
}

Text boolean(Cursor& cursor) {
    const auto value = cursor.u8();
    return value > 1 ? Text() : Text(value == 1 ? "true" : "false");
}
Text int2(Cursor& cursor) { return std::to_string(cursor.i16()); }
Text int4(Cursor& cursor) { return std::to_string(cursor.i32()); }
Text int8(Cursor& cursor) { return std::to_string(read_i64(cursor)); }
Text oid(Cursor& cursor) { return std::to_string(cursor.u32()); }

template <typename Float>
std::string float_text(Float value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return fmt::format("{}", value);
}
Text float4(Cursor& cursor) { return float_text(std::bit_cast<float>(cursor.u32())); }
Text float8(Cursor& cursor) { return float_text(std::bit_cast<double>(read_i64(cursor))); }

Text text(Cursor& cursor) {
    const std::string_view value = as_text(cursor.bytes(cursor.remaining()));
    return value.find('\0') == std::string_view::npos ? Text(value) : Text();
}
Text jsonb(Cursor& cursor) { return cursor.u8() == 1 ? text(cursor) : Text(); }
Text bytea(Cursor& cursor) { return "\\x" + to_hex(cursor.bytes(cursor.remaining())); }

Text uuid(Cursor& cursor) {
    std::string hex = to_hex(cursor.bytes(16));
    if (!cursor.ok()) return {};
    for (const std::size_t at : {20U, 16U, 12U, 8U}) hex.insert(at, "-");
    return hex;
}

// Days since 2000-01-01 to a date of the proleptic Gregorian calendar, by 400-year cycles that begin in March.
std::string date_text(std::int64_t days) {
    constexpr std::int64_t cycle = 146'097;
    const std::int64_t since_march = days + 730'425;  // since 0000-03-01
    const std::int64_t era = (since_march >= 0 ? since_march : since_march - (cycle - 1)) / cycle;
    const std::int64_t day_of_era = since_march - era * cycle;
    const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
    const std::int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    const std::int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    if (year > 0) return fmt::format("{:04}-{:02}-{:02}", year, month, day);
    return fmt::format("{:04}-{:02}-{:02} BC", 1 - year, month, day);
}

std::string time_text(std::int64_t microseconds) {
    const std::int64_t seconds = microseconds / microseconds_a_second;
    const std::int64_t rest = microseconds % microseconds_a_second;
    std::string out = fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if (rest != 0) out += fmt::format(".{:06}", rest);
    return out;
}

Text date(Cursor& cursor) {
    const std::int32_t days = cursor.i32();
    if (days == std::numeric_limits<std::int32_t>::max()) return "infinity";
    if (days == std::numeric_limits<std::int32_t>::min()) return "-infinity";
    return date_text(days);
}

Text moment(Cursor& cursor, std::string_view zone) {
    const std::int64_t value = read_i64(cursor);
    if (value == std::numeric_limits<std::int64_t>::max()) return "infinity";
    if (value == std::numeric_limits<std::int64_t>::min()) return "-infinity";
    std::int64_t days = value / microseconds_a_day;
    std::int64_t rest = value % microseconds_a_day;
    if (rest < 0) {
        rest += microseconds_a_day;
        --days;
    }
    std::string day = date_text(days);
    std::string_view era;
    if (day.ends_with(" BC")) {
        day.resize(day.size() - 3);
        era = " BC";
    }
    return fmt::format("{} {}{}{}", day, time_text(rest), zone, era);
}
Text timestamp(Cursor& cursor) { return moment(cursor, ""); }
Text timestamptz(Cursor& cursor) { return moment(cursor, "+00"); }

Text time_of_day(Cursor& cursor) {
    const std::int64_t value = read_i64(cursor);
    return value < 0 || value > microseconds_a_day ? Text() : Text(time_text(value));
}

Text interval(Cursor& cursor) {
    const std::int64_t value = read_i64(cursor);
    const std::int32_t days = cursor.i32();
    const std::int32_t months = cursor.i32();
    if (value == std::numeric_limits<std::int64_t>::min()) return {};
    return fmt::format("{} months {} days {}{}", months, days, value < 0 ? "-" : "", time_text(value < 0 ? -value : value));
}

Text numeric(Cursor& cursor) {
    const std::size_t count = cursor.u16();
    const int weight = cursor.i16();
    const std::uint16_t sign = cursor.u16();
    const std::size_t scale = cursor.u16();
    if (sign == 0xC000) return "NaN";
    if (sign == 0xD000) return "Infinity";
    if (sign == 0xF000) return "-Infinity";
    if ((sign != 0 && sign != 0x4000) || count * 2 > cursor.remaining()) return {};
    // A few bytes may stand for a hundred thousand zeros: those stay hex.
    if (weight > static_cast<int>(count) + spare_groups || scale > 4 * (count + spare_groups) || weight < -spare_groups)
        return {};
    std::vector<unsigned> groups;
    for (std::size_t i = 0; i < count; ++i) {
        groups.push_back(cursor.u16());
        if (groups.back() > 9999) return {};
    }
    const auto group = [&](int place) {
        return place >= 0 && static_cast<std::size_t>(place) < count ? groups[static_cast<std::size_t>(place)] : 0U;
    };
    std::string out = sign == 0x4000 ? "-" : "";
    if (weight < 0) out += '0';
    for (int place = 0; place <= weight; ++place)
        out += place == 0 ? std::to_string(group(0)) : fmt::format("{:04}", group(place));
    std::string fraction;
    for (int place = weight + 1; fraction.size() < scale; ++place) fraction += fmt::format("{:04}", group(place));
    fraction.resize(scale);
    // Digits beyond the scale would not be shown.
    for (std::size_t place = static_cast<std::size_t>(std::max(0, weight + 1 + static_cast<int>((scale + 3) / 4)));
         place < count; ++place) {
        if (groups[place] != 0) return {};
    }
    return scale == 0 ? out : out + "." + fraction;
}

Text inet(Cursor& cursor) {
    const unsigned family = cursor.u8();
    const unsigned bits = cursor.u8();
    cursor.u8();  // is it a cidr: the type says so as well
    const unsigned size = cursor.u8();
    const Bytes address = cursor.bytes(size);
    if (!cursor.ok() || (family == 2 ? size != 4 : family != 3 || size != 16) || bits > size * 8) return {};
    std::string out;
    if (family == 2) {
        for (const std::byte b : address) out += fmt::format("{}{}", out.empty() ? "" : ".", std::to_integer<unsigned>(b));
    } else {
        for (std::size_t i = 0; i < 16; i += 2) {
            const unsigned word = std::to_integer<unsigned>(address[i]) << 8U | std::to_integer<unsigned>(address[i + 1]);
            out += fmt::format("{}{:x}", i == 0 ? "" : ":", word);
        }
    }
    return fmt::format("{}/{}", out, bits);
}

struct Type {
    std::uint32_t oid;
    std::uint32_t array_oid;
    std::string_view name;
    Decoder decode;
    bool is_quoted;
};

// Oids of pg_type that never change.
constexpr std::array readable_types = {
    Type{16, 1000, "bool", boolean, false},
    Type{17, 1001, "bytea", bytea, true},
    Type{19, 1003, "name", text, true},
    Type{20, 1016, "int8", int8, false},
    Type{21, 1005, "int2", int2, false},
    Type{23, 1007, "int4", int4, false},
    Type{25, 1009, "text", text, true},
    Type{26, 1028, "oid", oid, false},
    Type{114, 199, "json", text, true},
    Type{700, 1021, "float4", float4, false},
    Type{701, 1022, "float8", float8, false},
    Type{869, 1041, "inet", inet, true},
    Type{650, 651, "cidr", inet, true},
    Type{1042, 1014, "bpchar", text, true},
    Type{1043, 1015, "varchar", text, true},
    Type{1082, 1182, "date", date, true},
    Type{1083, 1183, "time", time_of_day, true},
    Type{1114, 1115, "timestamp", timestamp, true},
    Type{1184, 1185, "timestamptz", timestamptz, true},
    Type{1186, 1187, "interval", interval, true},
    Type{1700, 1231, "numeric", numeric, false},
    Type{2950, 2951, "uuid", uuid, true},
    Type{3802, 3807, "jsonb", jsonb, true},
};

const Type* find(std::uint32_t oid) {
    const auto found =
        std::find_if(readable_types.begin(), readable_types.end(), [&](const Type& one) { return one.oid == oid; });
    return found == readable_types.end() ? nullptr : &*found;
}

const Type* element_of(std::uint32_t array) {
    const auto found =
        std::find_if(readable_types.begin(), readable_types.end(), [&](const Type& one) { return one.array_oid == array; });
    return found == readable_types.end() ? nullptr : &*found;
}

Text decoded(const Type& type, Bytes value) {
    Cursor cursor(value);
    Text out = type.decode(cursor);
    return cursor.finished() ? out : Text();
}

std::string array_element(const std::string& value, bool is_quoted) {
    if (!is_quoted) return value;
    std::string out = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

Text array_level(const Type& element, Cursor& cursor, const std::vector<std::size_t>& sizes, std::size_t level) {
    std::string out = "{";
    for (std::size_t i = 0; i < sizes[level]; ++i) {
        if (i > 0) out += ',';
        if (level + 1 < sizes.size()) {
            const Text inner = array_level(element, cursor, sizes, level + 1);
            if (!inner) return {};
            out += *inner;
            continue;
        }
        const std::int32_t size = cursor.i32();
        if (!cursor.ok() || size < -1) return {};
        if (size < 0) {
            out += "NULL";
            continue;
        }
        const Text value = decoded(element, cursor.bytes(static_cast<std::size_t>(size)));
        if (!value || !cursor.ok()) return {};
        out += array_element(*value, element.is_quoted);
    }
    return out + '}';
}

Text array_text(const Type& element, Bytes value) {
    Cursor cursor(value);
    const std::size_t dimensions = cursor.u32();
    cursor.u32();  // has it NULLs
    const bool is_of_type = cursor.u32() == element.oid;
    if (!cursor.ok() || !is_of_type || dimensions > deepest_array) return {};
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i < dimensions; ++i) {
        sizes.push_back(cursor.u32());
        const std::int32_t first = cursor.i32();
        if (first != 1 || sizes.back() > value.size()) return {};  // other bounds are not shown
    }
    if (sizes.empty()) return cursor.finished() ? Text("{}") : Text();
    // An empty outer dimension would hide that the inner ones are repeated without any bytes.
    if (std::find(sizes.begin(), sizes.end(), 0U) != sizes.end()) return {};
    const Text out = array_level(element, cursor, sizes, 0);
    return cursor.finished() ? out : Text();
}

}  // namespace

std::string type_name(std::uint32_t type) {
    if (type == 0) return "type not said";
    if (const Type* one = find(type)) return std::string(one->name);
    if (const Type* element = element_of(type)) return std::string(element->name) + "[]";
    return fmt::format("type {}", type);
}

Text text_of_binary(std::uint32_t type, Bytes value) {
    if (const Type* one = find(type)) return decoded(*one, value);
    if (const Type* element = element_of(type)) return array_text(*element, value);
    return {};
}

bool is_quoted_type(std::uint32_t type) {
    const Type* one = find(type);
    return one == nullptr || one->is_quoted;
}

}  // namespace assent::wire::postgres

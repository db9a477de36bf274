// Appends JSON members to a string that the caller reuses, so that the hot path allocates nothing once it is warm.
// For reading JSON and for building documents of any shape off the hot path, use nlohmann::json.
#pragma once

#include <concepts>
#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/shown_text.h"

namespace assent {

class JsonWriter {
public:
    // Members go to the end of `out`, without the braces around them.
    explicit JsonWriter(std::string& out) : out_(out) {}

    JsonWriter& member(std::string_view key, std::string_view value) {
        begin(key);
        append_json_string(out_, value);
        return *this;
    }
    JsonWriter& member(std::string_view key, const char* value) { return member(key, std::string_view(value)); }
    JsonWriter& member(std::string_view key, std::same_as<bool> auto value) { return raw(key, value ? "true" : "false"); }
    template <std::integral T>
    requires(!std::same_as<T, bool>) JsonWriter& member(std::string_view key, T value) {
        begin(key);
        const fmt::format_int text(value);
        out_.append(text.data(), text.size());
        return *this;
    }
    // A value that is JSON already.
    JsonWriter& raw(std::string_view key, std::string_view json) {
        begin(key);
        out_ += json;
        return *this;
    }
    template <typename Strings>
    JsonWriter& strings(std::string_view key, const Strings& values) {
        begin(key);
        out_.push_back('[');
        bool is_first = true;
        for (const auto& value : values) {
            if (!is_first) out_.push_back(',');
            is_first = false;
            append_json_string(out_, value);
        }
        out_.push_back(']');
        return *this;
    }

private:
    void begin(std::string_view key) {
        if (!is_first_) out_.push_back(',');
        is_first_ = false;
        append_json_string(out_, key);
        out_.push_back(':');
    }

    std::string& out_;
    bool is_first_ = true;
};

}  // namespace assent

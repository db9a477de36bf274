// UTF-8, strictly: no overlong forms, no surrogates.
#pragma once

#include <cstddef>
#include <string_view>

namespace assent {

struct Utf8Character {
    char32_t code = 0;
    std::size_t size = 0;  // 0: not valid UTF-8 here
};

// The first character of a text that is not empty.
[[nodiscard]] Utf8Character decode_utf8(std::string_view text);

[[nodiscard]] bool is_ascii(std::string_view text);
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace assent

// Spans of bytes, and the conversions between them and text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assent {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;
using ByteVector = std::vector<std::byte>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) noexcept {
    return std::as_bytes(std::span(text.data(), text.size()));
}

[[nodiscard]] inline std::string_view as_text(Bytes bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void append(ByteVector& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// Lower-case hexadecimal.
[[nodiscard]] std::string to_hex(Bytes bytes);

}  // namespace assent

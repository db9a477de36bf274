// The only reader of wire bytes: bounds-checked, big-endian, never throws. The first read past the end makes the cursor
// fail; it then gives zeros and empty spans for ever, so a parser reads a whole message and checks ok() once.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/bytes.h"

namespace assent {

class Cursor {
public:
    explicit Cursor(Bytes bytes) noexcept : rest_(bytes) {}

    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
    [[nodiscard]] bool finished() const noexcept { return ok_ && rest_.empty(); }
    [[nodiscard]] std::size_t remaining() const noexcept { return rest_.size(); }

    std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t u16() noexcept { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t u32() noexcept { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t u64() noexcept { return number(8); }
    std::int16_t i16() noexcept { return static_cast<std::int16_t>(u16()); }
    std::int32_t i32() noexcept { return static_cast<std::int32_t>(u32()); }

    // The next size bytes; valid as long as what the cursor was made of.
    Bytes bytes(std::size_t size) noexcept {
        if (!ok_ || size > rest_.size()) return failed();
        const Bytes out = rest_.first(size);
        rest_ = rest_.subspan(size);
        return out;
    }

    // A zero-terminated text, without its zero.
    std::string_view c_string() noexcept {
        const auto* end =
            rest_.empty() ? nullptr : static_cast<const std::byte*>(std::memchr(rest_.data(), 0, rest_.size()));
        if (!ok_ || end == nullptr) return as_text(failed());
        const auto size = static_cast<std::size_t>(end - rest_.data());
        const auto text = as_text(rest_.first(size));
        rest_ = rest_.subspan(size + 1);
        return text;
    }

    // All that is left.
    Bytes take_rest() noexcept { return bytes(rest_.size()); }

private:
    Bytes failed() noexcept {
        ok_ = false;
        rest_ = {};
        return {};
    }
    std::uint64_t number(std::size_t size) noexcept {
        std::uint64_t value = 0;
        for (const std::byte b : bytes(size)) value = (value << 8U) | std::to_integer<std::uint64_t>(b);
        return value;
    }

    Bytes rest_;
    bool ok_ = true;
};

}  // namespace assent

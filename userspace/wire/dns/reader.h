// Reads a whole DNS message by place, since names point back into it (RFC 1035, 4.1.4). Never follows a compression pointer
// forwards or for ever. Private to wire/dns/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/cursor.h"

namespace assent::wire::dns {

inline constexpr std::size_t name_size = 255;  // of the wire form
inline constexpr std::size_t header_size = 12;
inline constexpr std::uint8_t pointer_bits = 0xc0;

namespace flag {
inline constexpr std::uint16_t answer = 0x8000;
inline constexpr std::uint16_t opcode = 0x7800;
inline constexpr std::uint16_t truncated = 0x0200;
inline constexpr std::uint16_t recursion_desired = 0x0100;
inline constexpr std::uint16_t recursion_available = 0x0080;
inline constexpr std::uint16_t authentic = 0x0020;
inline constexpr std::uint16_t checking_disabled = 0x0010;
inline constexpr std::uint16_t code = 0x000f;
}  // namespace flag

[[nodiscard]] constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Adds a label to a name: in lower case, bytes other than letters, digits, '-' and '_' as \DDD.
void append_label(std::string& out, std::string_view label);

class Reader {
public:
    explicit Reader(Bytes message) : message_(message), cursor_(message) {}

    [[nodiscard]] Cursor& cursor() { return cursor_; }
    [[nodiscard]] std::size_t place() const { return message_.size() - cursor_.remaining(); }

    // A name at the cursor, which ends up after it: as text, without a trailing dot.
    [[nodiscard]] std::optional<std::string> name() { return read_name(cursor_, place(), nullptr); }
    // The same in its wire form, uncompressed and as it was written.
    [[nodiscard]] std::optional<std::string> wire_name();

private:
    [[nodiscard]] std::optional<std::string> read_name(Cursor& first, std::size_t begin, std::string* wire) const;

    Bytes message_;
    Cursor cursor_;
};

}  // namespace assent::wire::dns

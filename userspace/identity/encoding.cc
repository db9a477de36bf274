#include "identity/encoding.h"

#include <array>
#include <cstdint>

namespace assent::identity {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t no_digit = 64;

constexpr std::array<std::uint8_t, 256> digits() {
    std::array<std::uint8_t, 256> out{};
    out.fill(no_digit);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        out[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return out;
}

}  // namespace

Result<std::string> from_base64url(std::string_view text) {
    static constexpr auto values = digits();
    if (text.size() % 4 == 1) return fail(Errc::malformed, "base64url of no possible length");
    std::string out;
    out.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const auto value = values[static_cast<unsigned char>(c)];
        if (value == no_digit) return fail(Errc::malformed, "a character that is not base64url");
        bits = (bits << 6U) | value;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out.push_back(static_cast<char>((bits >> count) & 0xffU));
    }
    if ((bits & ((1U << count) - 1U)) != 0) return fail(Errc::malformed, "base64url with bits beyond its last byte");
    return out;
}

std::string to_base64url(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() * 4 + 2) / 3);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : bytes) {
        bits = (bits << 8U) | static_cast<unsigned char>(c);
        for (count += 8; count >= 6; count -= 6) out.push_back(alphabet[(bits >> (count - 6)) & 63U]);
    }
    if (count > 0) out.push_back(alphabet[(bits << (6 - count)) & 63U]);
    return out;
}

std::string to_base64(std::string_view bytes) {
    std::string out = to_base64url(bytes);
    for (char& c : out) c = c == '-' ? '+' : c == '_' ? '/' : c;
    while (out.size() % 4 != 0) out.push_back('=');
    return out;
}

std::string form_text(std::string_view text) {
    static constexpr std::string_view hexadecimal = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                              c == '.' || c == '_' || c == '~';
        if (is_plain) {
            out.push_back(c);
        } else {
            out.push_back('%');
            out.push_back(hexadecimal[byte >> 4U]);
            out.push_back(hexadecimal[byte & 15U]);
        }
    }
    return out;
}

}  // namespace assent::identity

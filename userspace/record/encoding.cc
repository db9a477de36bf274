#include "record/encoding.h"

#include <openssl/evp.h>

namespace assent::record {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

}  // namespace

std::string to_base64(Bytes bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::optional<ByteVector> from_base64(std::string_view text) {
    constexpr std::size_t largest = 64UL * 1024;  // notes are small; more is not one
    if (text.size() % 4 != 0 || text.size() > largest) return std::nullopt;
    ByteVector out(text.size() / 4 * 3 + 1);
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    if (size < 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
    out.resize(static_cast<std::size_t>(size) - padding);
    // One spelling only: OpenSSL skips white space and ignores stray bits, and what is signed must not have two readings.
    if (to_base64(out) != text) return std::nullopt;
    return out;
}

std::optional<Digest> digest_from_hex(std::string_view text) {
    Digest out{};
    if (text.size() != out.size() * 2) return std::nullopt;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const int high = hex_value(text[i * 2]);
        const int low = hex_value(text[i * 2 + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        out[i] = static_cast<std::byte>(high * 16 + low);
    }
    return out;
}

}  // namespace assent::record

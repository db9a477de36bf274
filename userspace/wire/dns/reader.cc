#include "wire/dns/reader.h"

#include <iterator>

#include <fmt/format.h>

#include "base/limits.h"

namespace assent::wire::dns {
namespace {

bool is_plain(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

}  // namespace

void append_label(std::string& out, std::string_view label) {
    if (!out.empty()) out.push_back('.');
    for (const char raw : label) {
        const char c = to_lower(raw);
        if (is_plain(c))
            out.push_back(c);
        else
            fmt::format_to(std::back_inserter(out), "\\{:03}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
}

std::optional<std::string> Reader::wire_name() {
    std::string wire;
    if (!read_name(cursor_, place(), &wire)) return std::nullopt;
    return wire;
}

std::optional<std::string> Reader::read_name(Cursor& first, std::size_t begin, std::string* wire) const {
    std::string out;
    std::size_t size = 1;
    std::size_t pointers = 0;
    Cursor elsewhere{Bytes{}};
    Cursor* at = &first;
    while (true) {
        const std::uint8_t length = at->u8();
        if (!at->ok()) return std::nullopt;
        if (length == 0) break;
        if ((length & pointer_bits) == pointer_bits) {
            const std::size_t target = (static_cast<std::size_t>(length & ~pointer_bits & 0xff) << 8U) | at->u8();
            // Strictly backwards from where this piece began, so it ends; the count bounds the work.
            if (!at->ok() || target >= begin || ++pointers > limits::dns_pointers) return std::nullopt;
            begin = target;
            elsewhere = Cursor(message_.subspan(target));
            at = &elsewhere;
            continue;
        }
        if ((length & pointer_bits) != 0) return std::nullopt;
        const auto label = as_text(at->bytes(length));
        size += length + 1U;
        if (!at->ok() || size > name_size) return std::nullopt;
        append_label(out, label);
        if (wire != nullptr) wire->append(1, static_cast<char>(length)).append(label);
    }
    if (wire != nullptr) wire->push_back('\0');
    return out;
}

}  // namespace assent::wire::dns

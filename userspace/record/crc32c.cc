#include "record/crc32c.h"

#include <array>
#include <cstring>

namespace assent::record {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = (value >> 1U) ^ ((value & 1U) != 0 ? 0x82F63B78U : 0U);
        table[i] = value;
    }
    return table;
}

constexpr auto table = make_table();

std::uint32_t by_table(std::uint32_t crc, Bytes bytes) noexcept {
    for (const std::byte b : bytes) crc = (crc >> 8U) ^ table[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xFFU];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t crc, Bytes bytes) noexcept {
    std::uint64_t wide = crc;
    while (bytes.size() >= sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data(), sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
        bytes = bytes.subspan(sizeof word);
    }
    crc = static_cast<std::uint32_t>(wide);
    for (const std::byte b : bytes) crc = __builtin_ia32_crc32qi(crc, std::to_integer<std::uint8_t>(b));
    return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(Bytes bytes) noexcept {
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) return ~by_instruction(~0U, bytes);
#endif
    return ~by_table(~0U, bytes);
}

}  // namespace assent::record

#include "base/bytes.h"

namespace assent {

std::string to_hex(Bytes bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const std::byte b : bytes) {
        out.push_back(digits[std::to_integer<unsigned>(b) >> 4U]);
        out.push_back(digits[std::to_integer<unsigned>(b) & 15U]);
    }
    return out;
}

}  // namespace assent

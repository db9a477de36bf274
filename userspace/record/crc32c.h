// CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds damage and careless edits of a frame. Not a defence: the tree is.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace assent::record {

[[nodiscard]] std::uint32_t crc32c(Bytes bytes) noexcept;

}  // namespace assent::record

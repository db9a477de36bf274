// SHA-256, HMAC-SHA-256 and random bytes, from OpenSSL.
#pragma once

#include <array>
#include <initializer_list>

#include "base/bytes.h"

namespace assent {

using Digest = std::array<std::byte, 32>;

[[nodiscard]] Digest sha256(Bytes bytes);
// The parts one after the other, without framing: the caller frames them.
[[nodiscard]] Digest sha256(std::initializer_list<Bytes> parts);
[[nodiscard]] Digest hmac_sha256(Bytes key, Bytes bytes);
// From the system's cryptographic generator; ends the process if there is none.
void fill_random(MutableBytes out);

}  // namespace assent

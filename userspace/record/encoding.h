// Base64 (RFC 4648 section 4) and hexadecimal of digests, strict.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace assent::record {

[[nodiscard]] std::string to_base64(Bytes bytes);
[[nodiscard]] std::optional<ByteVector> from_base64(std::string_view text);
[[nodiscard]] std::optional<Digest> digest_from_hex(std::string_view text);

}  // namespace assent::record

// Texts that carry bytes: base64url without padding (RFC 4648, section 5; RFC 7515, section 2). Private to identity/.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace assent::identity {

// Strictly: no padding, no other character, no bits set beyond the last byte, so that no two texts give the same bytes.
[[nodiscard]] Result<std::string> from_base64url(std::string_view text);
[[nodiscard]] std::string to_base64url(std::string_view bytes);
// With the other alphabet and padding (RFC 4648, section 4), as HTTP's Basic wants it.
[[nodiscard]] std::string to_base64(std::string_view bytes);
// A value of a form (application/x-www-form-urlencoded): everything but letters, digits and "-._~" as %XX.
[[nodiscard]] std::string form_text(std::string_view text);

}  // namespace assent::identity

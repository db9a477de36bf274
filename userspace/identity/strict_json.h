// JSON in which every member has one meaning. Private to identity/.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace assent::identity {

// Refuses duplicate members, at any depth (parsers disagree on which one counts), and what is nested deeper than
// limits::token_depth. The text is bounded by the caller. Errors: Errc::malformed, Errc::limit; none holds anything of the
// text.
[[nodiscard]] Result<nlohmann::json> parse_strictly(std::string_view text);

// The text of a member of an object; "" when it is missing or no text.
[[nodiscard]] std::string text_or_empty(const nlohmann::json& object, const char* name);

}  // namespace assent::identity

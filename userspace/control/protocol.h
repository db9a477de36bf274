// The lines of the control socket. A request is a JSON object with a "verb"; an answer is any number of {"next": …} and at
// last {"ok": true, "answer": …} or {"ok": false, "error": {"code": "denied", "message": "…"}}.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace assent::control {

// One line with its line feed. Text that is not UTF-8 is replaced: whoever has such text escapes it before (shown_text).
[[nodiscard]] std::string line_of(const nlohmann::json& value);
// Errc::malformed, or Errc::limit for what is nested too deeply.
[[nodiscard]] Result<nlohmann::json> parse_line(std::string_view line);

[[nodiscard]] nlohmann::json next_message(const nlohmann::json& value);
[[nodiscard]] nlohmann::json last_message(const Result<nlohmann::json>& result);
// What a client makes of the last message; Errc::malformed when it is none.
[[nodiscard]] Result<nlohmann::json> result_of(nlohmann::json message);

[[nodiscard]] std::string_view name_of(Errc code) noexcept;
[[nodiscard]] Errc errc_named(std::string_view name) noexcept;  // an unknown one is Errc::internal

}  // namespace assent::control

// A hold shown whole, as a reviewer has to see it before they answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace assent::cli {

// Lines of at most `width` columns (0: as long as they are). Text from the agent stands behind a bar on every line, also on
// those that were wrapped, so that it cannot look like anything else on the screen.
[[nodiscard]] std::vector<std::string> hold_lines(const nlohmann::json& hold, std::size_t width);

// Is all there that has to be seen; if not, the hold must not be approved from here.
[[nodiscard]] bool is_whole(const nlohmann::json& hold);

// "approved by ben: checked with ana", "waiting", "expired: …".
[[nodiscard]] std::string state_text(const nlohmann::json& hold);

// What stands before a line, and before what is left of it when it was wrapped; of the same width.
struct Margin {
    std::string_view line;
    std::string_view wrapped;
};

// Lines of escaped text behind a margin, wrapped to `width` columns in all (0: not wrapped).
[[nodiscard]] std::vector<std::string> behind(const Margin& margin, std::string_view text, std::size_t width);

}  // namespace assent::cli

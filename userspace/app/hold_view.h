// A hold as people and programs see it on the control socket.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "approve/desk.h"

namespace assent::app {

enum class Detail { whole, brief };  // brief: the text is cut, and what only a reviewer needs is left out

// Texts of agents are escaped here (shown_text), so that the JSON is UTF-8 and says all there is: nothing is replaced.
[[nodiscard]] nlohmann::json hold_to_json(const approve::Hold& hold, Detail detail, WallTime now);

// A widened approval, or broken glass.
[[nodiscard]] nlohmann::json grant_to_json(const approve::Grant& grant, WallTime now);

}  // namespace assent::app

// The CLI's end of the control socket.
#pragma once

#include <filesystem>
#include <functional>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace assent::control {

// Sends one request and gives the last line of the answer; earlier lines go to `each` (return false to stop). An error of
// the daemon comes back as it was made. Errc::unavailable when no daemon listens, saying how to start it.
[[nodiscard]] Result<nlohmann::json> ask(const std::filesystem::path& socket, const nlohmann::json& request,
                                         const std::function<bool(const nlohmann::json&)>& each = {});

}  // namespace assent::control

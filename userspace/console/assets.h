// The files of the web application and the description of the API, which the build made (embed.py).
#pragma once

#include <span>
#include <string_view>

#include "console/console.h"

namespace assent::console {

[[nodiscard]] std::span<const Asset> web_assets() noexcept;
[[nodiscard]] std::string_view openapi_text() noexcept;

}  // namespace assent::console

// What the settings of the host say of the console.
#pragma once

#include "base/result.h"
#include "console/console.h"
#include "policy/settings.h"

namespace assent::console {

// All but the assets. Errc::invalid: there is no console in them, or nobody could sign in.
[[nodiscard]] Result<ConsoleOptions> options_of(const policy::Settings& settings);

// "assent.example.com" of "https://assent.example.com:7443".
[[nodiscard]] std::string host_of(std::string_view public_url);

}  // namespace assent::console

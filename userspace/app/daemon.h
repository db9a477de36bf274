// assentd: everything put together, in the order that fails closed.
#pragma once

#include <memory>
#include <string_view>

#include "app/upgrade.h"
#include "base/result.h"
#include "policy/settings.h"

namespace assent::app {

inline constexpr std::string_view version = "0.1.0";

// Runs until SIGTERM or SIGINT; SIGHUP loads the policies again, SIGUSR2 starts `program` in the place of this one, with the
// listening sockets open, when its check finds nothing. These signals must be blocked in the calling thread, and it must be
// the first. Errors are those that keep it from starting: what was governed before stays governed, and closed.
[[nodiscard]] Result<> run_daemon(const policy::Settings& settings, const Program& program);

// Reads the policies as a start would; Errc::invalid with every mistake.
[[nodiscard]] Result<> check_configuration(const policy::Settings& settings);

}  // namespace assent::app

// Starting another program in the place of this one: the same process, arguments and environment.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/handover.h"
#include "base/result.h"

namespace assent::app {

struct Program {
    std::filesystem::path file;
    std::vector<std::string> arguments;  // as this process was started, its own name first

    // What this process runs; call it at the start, before the file is replaced.
    [[nodiscard]] static Program of_this_process(int count, char** arguments);

    // Runs it with `--check` and these settings, and waits for its end, up to limits::upgrade_check_timeout. Errc::invalid:
    // what it said. Thread: any.
    [[nodiscard]] Result<> check(const std::filesystem::path& settings) const;
    // Comes back only with an error. Everything that is not handed over has to be closed or marked so.
    [[nodiscard]] Error execute(const Handover& handover) const;
};

}  // namespace assent::app

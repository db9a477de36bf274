// The whole of `assent` but for main(), so that tests can run it.
#pragma once

#include "cli/verb.h"

namespace assent::cli {

// Every verb that the build found; defined in a file that CMake makes.
void add_verbs(CLI::App& app, Context& context);

// Parses the arguments, runs one verb, gives the exit code. Does not throw.
[[nodiscard]] int run_program(int argc, const char* const* argv);

}  // namespace assent::cli

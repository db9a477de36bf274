// `assent holds --watch`.
#pragma once

#include "cli/verb.h"

namespace assent::cli {

// At a terminal: shows one waiting hold after the other, whole, and takes the answers. Else prints each change as a line.
// Returns when the person quits or the daemon ends.
void watch_holds(Context& context);

}  // namespace assent::cli

// Names of sessions: 16 characters of Crockford's base 32 in lower case, in order of time, not to be guessed.
#pragma once

#include <string>

#include "base/time.h"

namespace assent::app {

// 45 bits of milliseconds since 1970, then 35 random bits.
[[nodiscard]] std::string make_session_id(WallTime now);

}  // namespace assent::app

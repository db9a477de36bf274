// Who is at the other end of the control socket, as the kernel says.
#pragma once

#include <functional>

#include "base/result.h"
#include "control/server.h"

namespace assent::control {

// Of an accepted unix socket. The peer's process must still be there: what /proc says of a process that ended could be of
// another one with its number. Errc::denied when it cannot be told who it is.
[[nodiscard]] Result<Peer> identify_peer(int descriptor, const std::function<bool(std::uint64_t)>& is_governed);

// The uid of the peer alone, for counting.
[[nodiscard]] Result<uid_t> uid_of_peer(int descriptor);

}  // namespace assent::control

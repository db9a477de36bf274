// The proxy's sockets: one for each port, address family and worker.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace assent::app {

// Bound to the port on 127.0.0.1 or ::1, shared among this process's workers; not listening yet. Errc::unsupported: this
// host has no IPv6.
[[nodiscard]] Result<Fd> bind_loopback(std::uint16_t port, bool is_v6);

}  // namespace assent::app

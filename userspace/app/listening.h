// The proxy's sockets: one for each port, address family and worker.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "model/address.h"

namespace assent::app {

// Bound to the port on 127.0.0.1 or ::1. Of TCP it is shared among this process's workers, and not listening yet; of UDP it
// is ready. Errc::unsupported: this host has no IPv6.
enum class Transport : std::uint8_t { tcp, udp };
[[nodiscard]] Result<Fd> bind_loopback(std::uint16_t port, bool is_v6, Transport transport);
[[nodiscard]] model::Endpoint loopback(std::uint16_t port, bool is_v6);

}  // namespace assent::app

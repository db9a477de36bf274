// Ports for the proxy that nobody but root can take, so that a dead daemon's place stays empty.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/result.h"

namespace assent::kernel {

// `count` ports (at most 16) that are free now, of TCP and UDP, on 127.0.0.1 and ::1, below 1024 and below
// net.ipv4.ip_unprivileged_port_start, and not of a known service. Ports that an earlier daemon used (its configuration is
// pinned in bpffs) come first, so that a restart does not strand a connection. Errc::unavailable: there are not enough.
[[nodiscard]] Result<std::vector<std::uint16_t>> choose_ports(std::size_t count,
                                                              const std::filesystem::path& bpffs = "/sys/fs/bpf");

// net.ipv4.ip_unprivileged_port_start of this network namespace.
[[nodiscard]] int unprivileged_port_start();

}  // namespace assent::kernel

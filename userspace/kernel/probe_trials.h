// The trials of kernel/probe.h, as the governed child makes them. Private to kernel/.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/probe.h"

namespace assent::kernel {

// What the trials need of the ungoverned side.
struct TrialGround {
    std::uint16_t proxy_port = 0;
    std::uint16_t elsewhere_tcp4 = 0;  // a listener that no governed process may reach
    std::uint16_t elsewhere_tcp6 = 0;
    std::uint16_t elsewhere_udp = 0;
    int outside_socket = -1;  // a UDP socket made outside, connected to elsewhere_udp
};

// Runs every trial in this process. is_run: it is confined as `assent run` does it; is_root: it has every capability;
// has_guard: the programs of BPF LSM hold it.
[[nodiscard]] std::vector<Trial> run_trials(const TrialGround& ground, bool is_run, bool is_root, bool has_guard);

}  // namespace assent::kernel

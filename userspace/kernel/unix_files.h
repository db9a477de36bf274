// Unix sockets by the files they are, for kernels that have no hook for connecting to them (before Linux 6.7) but BPF LSM:
// there agents reach those that are passed and no others, and none can be redirected. Private to kernel/.
#pragma once

#include <utility>
#include <vector>

#include "abi.h"
#include "kernel/redirect.h"

namespace assent::kernel {

// The passed ones of `rules` as they are now: a path that nobody is at is left out, since a socket that is made there later
// is another file. Look again every few seconds.
[[nodiscard]] std::vector<std::pair<assent_unix_key, std::uint32_t>> unix_files(const std::vector<UnixRule>& rules);

}  // namespace assent::kernel

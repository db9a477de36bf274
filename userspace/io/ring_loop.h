// Loop on io_uring. Public to tests, which try the ways for older kernels.
#pragma once

#include <memory>

#include "io/loop.h"
#include "io/ring.h"

namespace assent::io {

[[nodiscard]] Result<std::unique_ptr<Loop>> make_ring_loop(const RingOptions& options);

}  // namespace assent::io

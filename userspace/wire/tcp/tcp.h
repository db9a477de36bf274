// A target whose protocol is not understood: one `connect` command, then bytes both ways, counted.
#pragma once

#include <memory>

#include "wire/adapter.h"

namespace assent::wire::tcp {

[[nodiscard]] std::unique_ptr<Adapter> make_adapter(Host& host);

}  // namespace assent::wire::tcp

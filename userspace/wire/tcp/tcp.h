// A target whose protocol is not understood: one `connect` command, then bytes both ways, counted.
#pragma once

#include <memory>

#include "wire/adapter.h"

namespace assent::wire::tcp {

// Call proceed() once to begin: the agent may be one that waits for the server to speak first. A side's FIN is handed on
// with Host::shut().
[[nodiscard]] std::unique_ptr<Adapter> make_adapter(Host& host);

}  // namespace assent::wire::tcp

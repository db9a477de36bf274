// For a flow that will be refused: who speaks PostgreSQL is told why in its own protocol, others are only closed. It looks
// at the first bytes of the agent, and hands the flow to the adapter that fits.
#pragma once

#include <memory>

#include "wire/adapter.h"

namespace assent::wire::detect {

// proceed(), called before the agent has said enough, ends the patience: the flow is then nobody's protocol.
[[nodiscard]] std::unique_ptr<Adapter> make_adapter(Host& host);

}  // namespace assent::wire::detect

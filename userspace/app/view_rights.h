// Who may see what, and who administers: one place for the verbs of the control socket.
#pragma once

#include "app/hold_requests.h"
#include "base/json_writer.h"
#include "control/server.h"

namespace assent::app {

// Root of this host. A token never makes somebody root, whatever it says, nor does the process that carries it.
[[nodiscard]] bool is_host_root(const control::Peer& peer) noexcept;

// Root and the people in `decide`, and tokens for automation that were let through to the verb; never an agent.
[[nodiscard]] bool may_decide_here(const control::Peer& peer, const DecideLists& lists);

// Those, and the people in `view`.
[[nodiscard]] bool may_view(const control::Peer& peer, const DecideLists& lists);

// Who asked, as records say it.
JsonWriter& add_peer(JsonWriter& members, const control::Peer& peer);

// Records that somebody looked at `what`; `about`, more members, may be empty.
[[nodiscard]] Result<> record_look(const DurableRecord& record, const control::Peer& peer, std::string_view what,
                                   std::string_view about = {});

}  // namespace assent::app

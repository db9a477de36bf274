// Sends checkpoints to the system's journal: the copy outside of the folder that every systemd host has.
#pragma once

#include <string_view>

namespace assent::record {

// Does nothing where no journal runs; never waits. For LogOptions::on_checkpoint.
void send_checkpoint_to_journal(std::string_view note);

}  // namespace assent::record

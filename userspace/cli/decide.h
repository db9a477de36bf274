// Answering a hold: what `approve`, `deny` and `holds --watch` share.
#pragma once

#include <string>

#include "cli/verb.h"

namespace assent::cli {

// The arguments ID and --reason, and what the verb does.
void add_decision(CLI::App& verb, Context& context, bool approves);

// Sends the answer and prints what became of the hold.
void decide_hold(Context& context, const std::string& id, bool approves, const std::string& reason);

}  // namespace assent::cli

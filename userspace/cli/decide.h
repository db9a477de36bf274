// Answering a hold: what `approve`, `deny` and `holds --watch` share.
#pragma once

#include <optional>
#include <string>

#include "cli/verb.h"

namespace assent::cli {

// An approval for more than the one command.
struct Widened {
    long long lasts_s = 0;
    unsigned times = 0;  // 0: as often as it likes
};

struct DecisionAsked {
    std::string id;
    bool approves = false;
    std::string reason;
    std::optional<Widened> widened;
    bool is_confirmed = false;    // nobody is asked before a widened approval is given
    bool is_one_of_many = false;  // as JSON: a line of its own
};

void add_reason_option(CLI::App& verb, std::string& reason);
// The argument ID and --reason.
void add_decision_options(CLI::App& verb, DecisionAsked& asked);

// Sends the answer and prints what became of the hold. Of a widened approval it says first what it releases, and asks at a
// terminal.
void decide_hold(Context& context, const DecisionAsked& asked);

}  // namespace assent::cli

#include <memory>

#include "cli/decide.h"

namespace assent::cli {

void add_verb_deny(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("deny", "Refuse a held command");
    verb->footer(R"(
One denial ends the hold, whoever else approved. The agent is told, with your reason; the same command is refused at once
until the hold's deadline.

Examples:
  assent deny h-7k2mq4 --reason "use the staging database"

Exit codes: 0 it is denied, 1 there is no such hold or it no longer waits, 4 you may not.)");
    const auto asked = std::make_shared<DecisionAsked>();
    add_decision_options(*verb, *asked);
    verb->callback([&context, asked] { decide_hold(context, *asked); });
}

}  // namespace assent::cli

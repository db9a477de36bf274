#include "cli/decide.h"

namespace assent::cli {

void add_verb_approve(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("approve", "Let a held command run, once");
    verb->footer(R"(
The command that was held may run once, until the hold's deadline; nothing else may: the approval is for this text, these
values, this agent, target, database and role. Look at it first with `assent holds show ID`. You need to be a reviewer of the
hold's approval, and in `decide` of this host's settings; the agent's own user never may.

Examples:
  assent approve h-7k2mq4
  assent approve 7k2 --reason "ticket 4711, checked with ana"    (the beginning of an id will do)

Exit codes: 0 your approval was taken, 1 there is no such hold or it no longer waits, 4 you may not.)");
    add_decision(*verb, context, true);
}

}  // namespace assent::cli

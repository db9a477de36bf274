#include <memory>

#include "cli/decide.h"
#include "cli/duration.h"

namespace assent::cli {
namespace {

struct ApproveOptions {
    DecisionAsked asked;
    bool is_shape = false;
    std::string lasts;
};

void approve(Context& context, const ApproveOptions& options) {
    DecisionAsked asked = options.asked;
    asked.approves = true;
    if (options.is_shape) {
        const auto seconds = seconds_of(options.lasts);
        if (!seconds)
            return context.print_error(
                {Errc::invalid, "--for is a time with a unit (90s, 10m, 2h), not '" + options.lasts + "'"});
        asked.widened = Widened{*seconds, options.asked.widened ? options.asked.widened->times : 0};
    }
    decide_hold(context, asked);
}

}  // namespace

void add_verb_approve(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("approve", "Let a held command run, once");
    const auto options = std::make_shared<ApproveOptions>();
    add_decision_options(*verb, options->asked);
    auto* shape = verb->add_flag("--shape", options->is_shape,
                                 "Widen it: the same statement with other values too, of this agent at this database");
    auto* lasts = verb->add_option("--for", options->lasts, "How long the widened approval lasts (10m)")->type_name("TIME");
    auto* times = verb->add_option_function<unsigned>(
        "--times",
        [options](unsigned count) {
            options->asked.widened = Widened{0, count};
        },
        "How often it lets something through, this command included; as often as it likes when left out");
    times->type_name("N")->check(CLI::Range(1U, 1'000'000U));
    verb->add_flag("--yes", options->asked.is_confirmed, "Do not ask before a widened approval is given");
    shape->needs(lasts);
    lasts->needs(shape);
    times->needs(shape);
    verb->footer(R"(
The command that was held may run once, until the hold's deadline; nothing else may: the approval is for this text, these
values, this agent, target, database and role. Look at it first with `assent holds show ID`. You need to be a reviewer of the
hold's approval, and in `decide` of this host's settings; the agent's own user never may.

An approval may have several stages, and a stage may need several persons: you give the one that waits, and each person counts
once. With --shape it is as wide as the narrowest of those who approve: when one of them approves this command only, so does
the whole. `assent approvals` lists what is widened, `assent revoke` ends it and what runs under it.

An approval that breaks the glass lets the agent through at once, for a while, whatever the command: it needs --reason, and a
review afterwards (`assent review`).

Examples:
  assent approve h-7k2mq4
  assent approve 7k2 --reason "ticket 4711, checked with ana"    (the beginning of an id will do)
  assent approve h-7k2mq4 --shape --for 10m --times 50 --reason "the nightly import"

Exit codes: 0 your approval was taken, 1 there is no such hold or it no longer waits, 4 you may not.)");
    verb->callback([&context, options] { approve(context, *options); });
}

}  // namespace assent::cli

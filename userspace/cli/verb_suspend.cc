#include <cstdio>
#include <memory>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/verb.h"

namespace assent::cli {

void add_verb_suspend(CLI::App& app, Context& context) {
    struct Options {
        std::string agent;
        std::string reason;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* verb = app.add_subcommand("suspend", "Let an agent do nothing until it is resumed");
    verb->add_option("AGENT", options->agent, "The agent: its run, its unit, or a name of the policy")
        ->required()
        ->type_name("");
    verb->add_option("--reason", options->reason, "Why; recorded, and told to the agent")->type_name("TEXT");
    verb->footer(R"(
Its new connections and its commands are denied with cause=suspended, also those that were approved; what runs goes on (`assent end`
ends a session). It is kept over restarts. assent suspends an agent itself when people deny it too often (`suspend` of assent.yaml(5)).
For root and the people in `decide` of this host's settings.

Examples:
  assent suspend nightly --reason "it deletes the wrong rows"
  assent resume nightly

Exit codes: 0 it is suspended, 4 you may not.)");
    verb->callback([&context, options] {
        const auto answer =
            ask_daemon(context, {{"verb", "suspend"}, {"agent", options->agent}, {"reason", options->reason}});
        if (!answer) return;
        if (context.is_json) {
            print_json(*answer);
        } else {
            std::printf("suspended %s\n", shown_text(text_of(*answer, "agent")).c_str());
        }
    });
}

}  // namespace assent::cli

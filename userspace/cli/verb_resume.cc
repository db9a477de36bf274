#include <cstdio>
#include <memory>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/verb.h"

namespace assent::cli {

void add_verb_resume(CLI::App& app, Context& context) {
    struct Options {
        std::string agent;
        std::string reason;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* verb = app.add_subcommand("resume", "Let a suspended agent work again");
    verb->add_option("AGENT", options->agent, "The agent, as assent status names it")->required()->type_name("");
    verb->add_option("--reason", options->reason, "Why; recorded")->type_name("TEXT");
    verb->footer(R"(
For root and the people in `decide` of this host's settings. `assent status` lists the agents that are suspended.

Examples:
  assent resume nightly --reason "fixed in release 14"

Exit codes: 0 it works again, 1 no such agent is suspended, 4 you may not.)");
    verb->callback([&context, options] {
        const auto answer =
            ask_daemon(context, {{"verb", "resume"}, {"agent", options->agent}, {"reason", options->reason}});
        if (!answer) return;
        if (context.is_json) {
            print_json(*answer);
        } else {
            std::printf("resumed %s\n", shown_text(text_of(*answer, "agent")).c_str());
        }
    });
}

}  // namespace assent::cli

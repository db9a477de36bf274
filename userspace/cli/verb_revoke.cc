#include <cstdio>
#include <memory>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/verb.h"

namespace assent::cli {

void add_verb_revoke(CLI::App& app, Context& context) {
    struct Options {
        std::string id;
        std::string reason;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* verb = app.add_subcommand("revoke", "End a widened approval, and what runs under it");
    verb->add_option("ID", options->id, "The approval, or the beginning of its id")->required()->type_name("");
    verb->add_option("--reason", options->reason, "Why; recorded, and told to the agents whose sessions end")
        ->type_name("TEXT");
    verb->footer(R"(
Nothing more is let through by it. What it released and has not run waits no more, and sessions that run something it let
through, or did in a transaction that is still open, are ended: the database rolls back what was not committed. For root and the
people in `decide` of this host's settings.

Examples:
  assent revoke w-7k2mq4 --reason "wrong table"

Exit codes: 0 it is revoked, 1 there is no such approval or it is over, 4 you may not.)");
    verb->callback([&context, options] {
        const auto answer = ask_daemon(context, {{"verb", "revoke"}, {"id", options->id}, {"reason", options->reason}});
        if (!answer) return;
        if (context.is_json) {
            print_json(*answer);
        } else {
            std::printf("revoked %s\n", shown_text(text_of(*answer, "id")).c_str());
        }
    });
}

}  // namespace assent::cli

#include <cstdio>
#include <memory>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/verb.h"

namespace assent::cli {

void add_verb_end(CLI::App& app, Context& context) {
    struct Options {
        std::string session;
        std::string reason;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* verb = app.add_subcommand("end", "End a session now");
    verb->add_option("SESSION", options->session, "The session, or the beginning of its id")->required()->type_name("");
    verb->add_option("--reason", options->reason, "Why; recorded, and told to the agent")->type_name("TEXT");
    verb->footer(R"(
The connection is closed on both sides; what had not been committed is rolled back by the database. For root and the people in
`decide` of this host's settings. `assent sessions` lists what is open.

Examples:
  assent end s-20261122-0007 --reason "wrong database"

Exit codes: 0 it is ended, 1 there is no such session, 4 you may not.)");
    verb->callback([&context, options] {
        const auto answer =
            ask_daemon(context, {{"verb", "end"}, {"session", options->session}, {"reason", options->reason}});
        if (!answer) return;
        if (context.is_json) {
            print_json(*answer);
        } else {
            std::printf("ended %s\n", shown_text(text_of(*answer, "session")).c_str());
        }
    });
}

}  // namespace assent::cli

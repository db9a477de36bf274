#include <cstdio>
#include <memory>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/verb.h"

namespace assent::cli {

void add_verb_review(CLI::App& app, Context& context) {
    struct Options {
        std::string id;
        std::string reason;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* verb = app.add_subcommand("review", "Write down what was found behind broken glass");
    verb->add_option("ID", options->id, "The broken glass, or the beginning of its id")->required()->type_name("");
    verb->add_option("--reason", options->reason, "What was done, and whether that was right; recorded")
        ->type_name("TEXT")
        ->required();
    verb->footer(R"(
Glass is broken so that nobody waits; afterwards somebody looks at what was done (`assent sessions`, `assent replay`) and says so.
`assent status` asks for it until then. For the people in `decide` of this host's settings; where they log in with an identity
provider, not for whoever broke the glass.

Examples:
  assent review g-7k2mq4 --reason "only the stuck job was removed, see ticket 4711"

Exit codes: 0 it is reviewed, 1 there is no such glass or it was reviewed before, 4 you may not.)");
    verb->callback([&context, options] {
        const auto answer = ask_daemon(context, {{"verb", "review"}, {"id", options->id}, {"reason", options->reason}});
        if (!answer) return;
        if (context.is_json) {
            print_json(*answer);
        } else {
            std::printf("reviewed %s\n", shown_text(text_of(*answer, "id")).c_str());
        }
    });
}

}  // namespace assent::cli

#include <memory>

#include "cli/daemon.h"
#include "cli/decide.h"

namespace assent::cli {
namespace {

using nlohmann::json;

struct DenyOptions {
    std::vector<std::string> ids;
    std::string agent;
    std::string reason;
};

// Nothing when the daemon could not be asked.
std::optional<std::vector<std::string>> waiting_of(Context& context, const std::string& agent) {
    std::vector<std::string> ids;
    const auto answer = ask_daemon(context, {{"verb", "holds"}, {"brief", true}}, [&](const json& line) {
        const json& hold = member_of(line, "hold");
        if (text_of(hold, "agent") == agent) ids.push_back(text_of(hold, "id"));
        return true;
    });
    if (!answer) return std::nullopt;
    return ids;
}

void deny(Context& context, const DenyOptions& options) {
    auto ids = options.ids;
    if (!options.agent.empty()) {
        auto waiting = waiting_of(context, options.agent);
        if (!waiting) return;
        if (waiting->empty())
            return context.print_error({Errc::not_found, "nothing waits of an agent '" + options.agent + "'"});
        ids = std::move(*waiting);
    }
    const bool is_many = ids.size() > 1 || !options.agent.empty();
    for (const auto& id : ids) decide_hold(context, {id, false, options.reason, {}, false, is_many});
}

}  // namespace

void add_verb_deny(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("deny", "Refuse held commands");
    verb->footer(R"(
One denial ends a hold, whoever else approved. The agent is told, with your reason; the same command is refused at once
until the hold's deadline.

Examples:
  assent deny h-7k2mq4 --reason "use the staging database"
  assent deny --agent nightly --reason "it went mad"          (after assent suspend nightly)

With --json several holds are an object a line each.
Exit codes: 0 all are denied, 1 there is no such hold or one no longer waits, 4 you may not.)");
    const auto options = std::make_shared<DenyOptions>();
    auto* ids = verb->add_option("ID", options->ids, "The holds, or the beginnings of their ids")->type_name("");
    auto* agent = verb->add_option("--agent", options->agent, "All that waits of this agent")->type_name("NAME");
    agent->excludes(ids);
    add_reason_option(*verb, options->reason);
    verb->callback([&context, options, verb] {
        if (options->ids.empty() && options->agent.empty()) throw CLI::RequiredError("ID, or --agent,");
        deny(context, *options);
    });
}

}  // namespace assent::cli

#include <cstdio>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/verb.h"

namespace assent::cli {
namespace {

using nlohmann::json;

void add_if_any(Fields& fields, std::string_view title, const std::string& value) {
    if (!value.empty()) fields.add(title, value);
}

void print_agent(const json& answer) {
    const auto sets = texts_of(answer, "agents");
    Fields fields;
    fields.add("agent", text_of(answer, "agent"));
    fields.add("known as", sets.empty() ? "none: no policy names this agent, so nothing is allowed" : joined(sets));
    add_if_any(fields, "user", text_of(answer, "user"));
    add_if_any(fields, "cgroup", text_of(answer, "cgroup"));
    add_if_any(fields, "unit", text_of(answer, "unit"));
    add_if_any(fields, "run", text_of(answer, "run"));
    add_if_any(fields, "started by", text_of(answer, "runner"));
    add_if_any(fields, "purpose", text_of(answer, "purpose"));
    std::printf("%s", fields.to_text(terminal_width()).c_str());

    Table targets({{"TARGET"}, {"ADDRESSES"}, {"DATABASES"}});
    for (const json& target : member_of(answer, "targets")) {
        const auto databases = texts_of(target, "databases");
        targets.add(
            {text_of(target, "name"), joined(texts_of(target, "addresses")), databases.empty() ? "any" : joined(databases)});
    }
    std::printf("\n");
    if (targets.is_empty()) {
        std::printf("No policy names a target, so none may be reached.\n");
    } else {
        targets.print();
    }
    Table holds({{"HOLD"}, {"LEFT", Table::Align::right}, {"COMMAND", Table::Align::left, 80}});
    for (const json& hold : member_of(answer, "holds")) {
        holds.add({text_of(hold, "id"), shown_duration(number_of(hold, "left_s")), text_of(hold, "text")});
    }
    if (holds.is_empty()) return;
    std::printf("\n");
    holds.print();
}

// The agent's own holds that wait, as members of `holds`.
bool add_holds(Context& context, json& answer) {
    answer["holds"] = json::array();
    return ask_daemon(context, {{"verb", "holds"}, {"brief", true}},
                      [&](const json& message) {
                          answer["holds"].push_back(member_of(message, "hold"));
                          return true;
                      })
        .has_value();
}

}  // namespace

void add_verb_whoami(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("whoami", "Inside an agent: who it is here, and what it may reach");
    verb->footer(R"(
For agents and those who write them: the names that policies see, the targets that policies know, and its holds that wait.

Exit codes: 0 governed, 1 not governed, 3 no daemon answers.)");
    verb->callback([&context] {
        auto answer = ask_daemon(context, {{"verb", "whoami"}});
        if (!answer) return;
        const bool is_governed = flag_of(*answer, "governed");
        if (!is_governed) context.exit_code = exit_failed;
        if (is_governed && !add_holds(context, *answer)) return;
        if (context.is_json) {
            print_json(*answer);
        } else if (is_governed) {
            print_agent(*answer);
        } else {
            std::printf(
                "This process is not governed: assent does not see what it does. Start agents with `assent run`, or in a "
                "governed slice.\n");
        }
    });
}

}  // namespace assent::cli

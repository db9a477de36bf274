#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/daemon.h"
#include "cli/hold_screen.h"
#include "cli/hold_watch_screen.h"
#include "cli/table.h"
#include "cli/verb.h"

namespace assent::cli {
namespace {

using nlohmann::json;

struct HoldsOptions {
    bool shows_all = false;
    bool shows_each = false;
    bool is_watch = false;
    std::string id;
    long long timeout_s = 0;  // 0: as long as it takes
};

// One line for all that wait with the same shape: many of them are one thing to look at.
void print_groups(const json& groups) {
    Table table({{"ID"},
                 {"COUNT", Table::Align::right},
                 {"AGENT", Table::Align::left, 30},
                 {"TARGET", Table::Align::left, 30},
                 {"RULE", Table::Align::left, 40},
                 {"COMMAND", Table::Align::left, 80}});
    for (const json& group : groups) {
        const auto ids = texts_of(group, "ids");
        table.add({ids.empty() ? "" : ids.front(), std::to_string(number_of(group, "count")), text_of(group, "agent"),
                   text_of(group, "target"), joined(texts_of(group, "rules")), text_of(group, "text")});
    }
    table.print();
    std::printf("\nSeveral wait with the same statement: --each lists them one by one.\n");
}

void list_holds(Context& context, const HoldsOptions& options) {
    std::vector<Table::Column> columns = {{"ID"}, {"AGE", Table::Align::right}, {"LEFT", Table::Align::right}};
    if (options.shows_all) columns[2] = {"STATE", Table::Align::left, 40};
    columns.insert(columns.end(), {{"AGENT", Table::Align::left, 30},
                                   {"TARGET", Table::Align::left, 30},
                                   {"RULE", Table::Align::left, 40},
                                   {"WAITS FOR", Table::Align::left, 40},
                                   {"COMMAND", Table::Align::left, 80}});
    Table table(columns);
    json all = json::array();
    const auto answer = ask_daemon(
        context, {{"verb", "holds"}, {"all", options.shows_all}, {"brief", !context.is_json}}, [&](const json& message) {
            const json& hold = member_of(message, "hold");
            if (context.is_json) {
                all.push_back(hold);
                return true;
            }
            const bool is_waiting = text_of(hold, "state") == "waiting";
            const std::string left = shown_duration(std::max(0LL, number_of(hold, "left_s")));
            table.add({text_of(hold, "id"), shown_duration(number_of(hold, "age_s")),
                       options.shows_all ? state_text(hold) : left, text_of(hold, "agent"), text_of(hold, "target"),
                       joined(texts_of(hold, "rules")), is_waiting ? joined(texts_of(hold, "waits_for")) : "",
                       text_of(hold, "text")});
            return true;
        });
    if (!answer) return;
    const json& groups = member_of(*answer, "groups");
    const bool has_group =
        std::any_of(groups.begin(), groups.end(), [](const json& one) { return number_of(one, "count") > 1; });
    if (context.is_json) {
        print_json(all);
    } else if (table.is_empty()) {
        std::printf(options.shows_all ? "There are no holds.\n" : "No hold waits.\n");
    } else if (has_group && !options.shows_all && !options.shows_each) {
        print_groups(groups);
    } else {
        table.print();
    }
}

void print_hold(const json& hold) {
    for (const auto& line : hold_lines(hold, terminal_width())) std::printf("%s\n", line.c_str());
}

void show_hold(Context& context, const std::string& id) {
    const auto hold = ask_daemon(context, {{"verb", "hold"}, {"id", id}});
    if (!hold) return;
    if (context.is_json) {
        print_json(*hold);
    } else {
        print_hold(*hold);
    }
}

int exit_code_of(const std::string& state) {
    if (state == "approved" || state == "used") return exit_ok;
    if (state == "waiting") return exit_hold;
    return state == "denied" ? exit_refused : state == "expired" ? exit_expired : exit_withdrawn;
}

void wait_for_hold(Context& context, const HoldsOptions& options) {
    json request = {{"verb", "wait"}, {"id", options.id}};
    if (options.timeout_s > 0) request["timeout_s"] = options.timeout_s;
    const auto hold = ask_daemon(context, request);
    if (!hold) return;
    context.exit_code = exit_code_of(text_of(*hold, "state"));
    if (context.is_json) {
        print_json(*hold);
    } else {
        std::printf("%s %s\n", text_of(*hold, "id").c_str(), state_text(*hold).c_str());
    }
}

}  // namespace

void add_verb_holds(CLI::App& app, Context& context) {
    const auto options = std::make_shared<HoldsOptions>();
    CLI::App* verb = app.add_subcommand("holds", "Commands that wait for a person");
    verb->require_subcommand(0, 1);
    auto* all = verb->add_flag("--all", options->shows_all, "Also those that were decided, used, expired or cancelled");
    verb->add_flag("--each", options->shows_each, "One line for each, also where many wait with the same statement");
    auto* watch = verb->add_flag("--watch", options->is_watch,
                                 "Stay: show each hold whole and take the answer (a stream when not at a terminal)");
    watch->excludes(all);
    verb->footer(R"(
Examples:
  assent holds                     what waits, oldest first
  assent holds --watch             answer from the terminal: a approve, d deny, s skip, q quit
  assent holds --watch --json      one line of JSON for each change
  assent holds show h-7k2mq4       one hold, the whole command
  assent holds wait h-7k2mq4 && run-it-again

Where several wait with the same statement but for its values, they are one line with their number; --json lists every one,
with its `shape`. Holds are shown to root and the people in `decide` of this host's settings; an agent sees its own.)");
    verb->callback([&context, options, verb] {
        if (!verb->get_subcommands().empty()) return;
        if (options->is_watch) {
            watch_holds(context);
        } else {
            list_holds(context, *options);
        }
    });

    CLI::App* show = verb->add_subcommand("show", "One hold, whole: who asks, the command, its values, what came before");
    show->add_option("ID", options->id, "The hold, or the beginning of its id")->required()->type_name("");
    show->callback([&context, options] { show_hold(context, options->id); });

    CLI::App* wait = verb->add_subcommand("wait", "Wait until a hold is decided");
    wait->add_option("ID", options->id, "The hold, or the beginning of its id")->required()->type_name("");
    wait->add_option("--timeout", options->timeout_s, "Seconds to wait at most")
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 86400));
    wait->footer(
        "\nExit codes: 0 approved, 4 denied, 5 expired, 6 cancelled or revoked, 10 it still waits (--timeout), 1 there is "
        "no "
        "such hold.");
    wait->callback([&context, options] { wait_for_hold(context, *options); });
}

}  // namespace assent::cli

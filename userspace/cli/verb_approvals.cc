#include <cstdio>
#include <memory>

#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/verb.h"

namespace assent::cli {
namespace {

using nlohmann::json;

std::string used_text(const json& approval) {
    const auto times = number_of(approval, "times");
    return std::to_string(number_of(approval, "used")) + (times == 0 ? "" : " of " + std::to_string(times));
}

std::string what_text(const json& approval) {
    if (text_of(approval, "kind") == "glass")
        return "BROKEN GLASS: all that needs " + joined(texts_of(approval, "approvals"));
    return text_of(approval, "text");
}

std::string shown_state(const json& approval) {
    const std::string state = text_of(approval, "state");
    return flag_of(approval, "needs_review") && state != "in force" ? "TO BE REVIEWED" : state;
}

void list_approvals(Context& context, bool shows_all) {
    Table table({{"ID"},
                 {"STATE"},
                 {"LEFT", Table::Align::right},
                 {"USED", Table::Align::right},
                 {"AGENT", Table::Align::left, 30},
                 {"TARGET", Table::Align::left, 30},
                 {"BY", Table::Align::left, 30},
                 {"WHAT", Table::Align::left, 80}});
    json all = json::array();
    const auto answer = ask_daemon(context, {{"verb", "approvals"}, {"all", shows_all}}, [&](const json& message) {
        const json& approval = member_of(message, "approval");
        all.push_back(approval);
        table.add({text_of(approval, "id"), shown_state(approval), shown_duration(number_of(approval, "left_s")),
                   used_text(approval), text_of(approval, "agent"), text_of(approval, "target"),
                   text_of(approval, "given_by"), what_text(approval)});
        return true;
    });
    if (!answer) return;
    if (context.is_json) {
        print_json(all);
    } else if (table.is_empty()) {
        std::printf(shows_all ? "There are no widened approvals.\n" : "No widened approval is in force.\n");
    } else {
        table.print();
    }
}

}  // namespace

void add_verb_approvals(CLI::App& app, Context& context) {
    const auto shows_all = std::make_shared<bool>(false);
    CLI::App* verb = app.add_subcommand("approvals", "What is approved beyond one command, and glass that was broken");
    verb->add_flag("--all", *shows_all, "Also those that are over, used up, revoked or reviewed");
    verb->footer(R"(
Widened approvals (`assent approve ID --shape --for 10m`) and glass that was broken, with how often they let something through.
Glass is listed until somebody has reviewed what was done.

Examples:
  assent approvals
  assent revoke w-7k2mq4 --reason "the import is done"
  assent review g-7k2mq4 --reason "only the stuck job was removed"

Exit codes: 0 done, 4 you may not.)");
    verb->callback([&context, shows_all] { list_approvals(context, *shows_all); });
}

}  // namespace assent::cli

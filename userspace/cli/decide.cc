#include "cli/decide.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/hold_screen.h"
#include "cli/table.h"

namespace assent::cli {
namespace {

using nlohmann::json;

std::string granted_text(const json& hold) {
    const json& grant = member_of(hold, "granted");
    if (!grant.is_object()) return {};
    const auto released = texts_of(hold, "released");
    std::string text = text_of(grant, "kind") == "glass" ? "THE GLASS IS BROKEN" : "widened";
    text += fmt::format(" as {} until {}", text_of(grant, "id"), text_of(grant, "until"));
    if (const auto times = number_of(grant, "times"); times != 0) text += fmt::format(", {} times in all", times);
    if (!released.empty()) text += fmt::format("; it released {} other holds: {}", released.size(), joined(released));
    text += fmt::format("; `assent revoke {}` ends it", text_of(grant, "id"));
    if (flag_of(grant, "needs_review"))
        text += fmt::format(". Afterwards somebody has to write down what was done: assent review {} --reason TEXT",
                            text_of(grant, "id"));
    return text;
}

std::string outcome_text(const json& hold, bool was_widened) {
    const std::string state = text_of(hold, "state");
    std::string text = fmt::format("{} of {} on {}: {}", text_of(hold, "id"), text_of(hold, "agent"),
                                   text_of(hold, "target"), state_text(hold));
    if (state == "approved") {
        text += flag_of(hold, "is_agent_connected") ? "; it runs now" : "; it runs once when the agent sends it again";
    }
    if (state == "waiting") text += "; your approval is given, it still needs: " + joined(texts_of(hold, "waits_for"));
    if (const auto granted = granted_text(hold); !granted.empty()) {
        text += "; " + granted;
    } else if (was_widened && state == "approved") {
        text += "; not widened: others approved this one command only";
    }
    return text;
}

json request_of(const DecisionAsked& asked) {
    json request = {{"verb", asked.approves ? "approve" : "deny"}, {"id", asked.id}, {"reason", asked.reason}};
    if (asked.widened) request["shape"] = {{"for_s", asked.widened->lasts_s}, {"times", asked.widened->times}};
    return request;
}

// Says what a widened approval lets through, and asks whoever sits there. Nothing: it is not to be given.
std::optional<std::size_t> announce(Context& context, const DecisionAsked& asked) {
    json request = request_of(asked);
    request["is_trial"] = true;
    const auto hold = ask_daemon(context, request);
    if (!hold) return std::nullopt;
    const auto released = texts_of(*hold, "would_release");
    std::size_t count = released.size();
    if (asked.widened->times != 0) count = std::min<std::size_t>(count, asked.widened->times - 1);
    const std::string times =
        asked.widened->times == 0 ? "any number of times" : fmt::format("{} times", asked.widened->times);
    const std::string text = fmt::format(
        "{} would let {} run statements of this shape on {} {} for {}, whatever their values; it releases {} other waiting "
        "{}{}{}",
        asked.id, text_of(*hold, "agent"), text_of(*hold, "target"), times, shown_duration(asked.widened->lasts_s), count,
        count == 1 ? "hold" : "holds", released.empty() ? "" : ": ", joined(released));
    std::fprintf(stderr, "%s\n", shown_text(text).c_str());
    if (asked.is_confirmed || ::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return count;
    std::fprintf(stderr, "Approve it? [y/N] ");
    std::string line;
    std::getline(std::cin, line);
    if (line == "y" || line == "yes") return count;
    std::fprintf(stderr, "%s still waits\n", shown_text(asked.id).c_str());
    context.exit_code = exit_failed;
    return std::nullopt;
}

}  // namespace

void decide_hold(Context& context, const DecisionAsked& asked) {
    json request = request_of(asked);
    if (asked.widened) {
        const auto released = announce(context, asked);
        if (!released) return;
        request["most_released"] = *released;
    }
    const auto hold = ask_daemon(context, request);
    if (!hold) return;
    if (context.is_json) {
        asked.is_one_of_many ? print_json_line(*hold) : print_json(*hold);
    } else {
        std::printf("%s\n", shown_text(outcome_text(*hold, asked.widened.has_value())).c_str());
    }
}

void add_reason_option(CLI::App& verb, std::string& reason) {
    verb.add_option("--reason", reason, "Why; recorded, and told to the agent when denied")->type_name("TEXT");
}

void add_decision_options(CLI::App& verb, DecisionAsked& asked) {
    verb.add_option("ID", asked.id, "The hold, or the beginning of its id")->required()->type_name("");
    add_reason_option(verb, asked.reason);
}

}  // namespace assent::cli

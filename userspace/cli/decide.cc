#include "cli/decide.h"

#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/hold_screen.h"

namespace assent::cli {
namespace {

using nlohmann::json;

std::string outcome_text(const json& hold) {
    const std::string state = text_of(hold, "state");
    std::string text = fmt::format("{} of {} on {}: {}", text_of(hold, "id"), text_of(hold, "agent"),
                                   text_of(hold, "target"), state_text(hold));
    if (state == "approved") {
        text += flag_of(hold, "is_agent_connected") ? "; it runs now" : "; it runs once when the agent sends it again";
    }
    if (state == "waiting") {
        std::vector<std::string> missing;
        for (const json& approval : member_of(hold, "approvals")) {
            if (!flag_of(approval, "is_given")) missing.push_back(text_of(approval, "name"));
        }
        text += "; your approval is given, it still needs: " + joined(missing);
    }
    return text;
}

}  // namespace

void decide_hold(Context& context, const std::string& id, bool approves, const std::string& reason) {
    const auto hold = ask_daemon(context, {{"verb", approves ? "approve" : "deny"}, {"id", id}, {"reason", reason}});
    if (!hold) return;
    if (context.is_json) {
        print_json(*hold);
    } else {
        std::printf("%s\n", shown_text(outcome_text(*hold)).c_str());
    }
}

void add_decision(CLI::App& verb, Context& context, bool approves) {
    struct Options {
        std::string id;
        std::string reason;
    };
    const auto options = std::make_shared<Options>();
    verb.add_option("ID", options->id, "The hold, or the beginning of its id")->required()->type_name("");
    verb.add_option("--reason", options->reason, "Why; recorded, and told to the agent when denied")->type_name("TEXT");
    verb.callback([&context, options, approves] { decide_hold(context, options->id, approves, options->reason); });
}

}  // namespace assent::cli

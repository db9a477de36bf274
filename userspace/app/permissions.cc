#include "app/permissions.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "base/time.h"

namespace assent::app {
namespace {

using nlohmann::json;

json target_to_json(const policy::Target& target) {
    json addresses = json::array();
    for (const auto& address : target.addresses) {
        if (!address.unix_name.empty()) {
            addresses.push_back("unix:" + address.unix_name);
            continue;
        }
        addresses.push_back(fmt::format(
            "{}:{}", address.host.empty() && address.network ? address.network->to_text() : address.host, address.port));
    }
    return {{"name", target.name}, {"addresses", std::move(addresses)}, {"databases", target.databases}};
}

json rule_to_json(const policy::RuleSummary& rule) {
    json out = {{"name", rule.name},
                {"verdict", model::name_of(rule.verdict)},
                {"targets", rule.targets},
                {"operations", rule.operations},
                {"objects", rule.objects}};
    if (rule.has_exceptions) out["has_exceptions"] = true;
    if (rule.has_conditions) out["has_conditions"] = true;
    if (!rule.approval.empty()) out["approval"] = rule.approval;
    if (!rule.message.empty()) out["message"] = shown_text(rule.message, Lines::many);
    if (rule.limit)
        out["limit"] = {{"commands", rule.limit->commands},
                        {"per_s", rule.limit->per.count()},
                        {"then", model::name_of(rule.limit->then)}};
    return out;
}

json how_to_ask() {
    return {
        "Send the command: one that a rule holds is shown to a person, and the error names the hold (h-…).",
        "`assent holds wait ID` waits for the answer: exit code 0 approved, 4 denied, 5 expired, 6 cancelled or revoked.",
        "When it is approved, send exactly the same command with the same values again: it runs once.",
        "retry=never in an error's detail: do not send it again; retry=later: not now; retry=after-approval: as above.",
        "Say what you are about to do with `assent run --purpose TEXT`: reviewers see it."};
}

}  // namespace

void add_policy_permissions(const policy::Policy& policy, const std::vector<std::string>& sets, json& answer) {
    answer["agents"] = sets;
    answer["targets"] = json::array();
    for (const auto& target : policy.targets()) answer["targets"].push_back(target_to_json(target));
    answer["rules"] = json::array();
    for (const auto& rule : policy.rules_for(sets)) answer["rules"].push_back(rule_to_json(rule));
    answer["masks"] = json::array();
    for (const auto& mask : policy.masks_for(sets))
        answer["masks"].push_back({{"name", mask.name}, {"columns", mask.columns}, {"method", mask.method}});
    answer["how_to_ask"] = how_to_ask();
}

json refusals_to_json(const std::vector<LastRefusal>& refusals) {
    json out = json::array();
    for (const auto& one : refusals) {
        out.push_back({{"time", to_rfc3339(one.when)},
                       {"what", shown_text(one.what, Lines::many)},
                       {"message", shown_text(one.message, Lines::many)},
                       {"detail", shown_text(one.detail)},
                       {"hint", shown_text(one.hint)}});
    }
    return out;
}

}  // namespace assent::app

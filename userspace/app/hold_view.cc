#include "app/hold_view.h"

#include <algorithm>

#include "base/shown_text.h"

namespace assent::app {
namespace {

using nlohmann::json;

constexpr std::size_t brief_text = 400;  // bytes before escaping; a table shows less

json shown_list(const std::vector<std::string>& texts) {
    json out = json::array();
    for (const auto& text : texts) out.push_back(shown_text(text, Lines::many));
    return out;
}

json seconds_between(WallTime from, WallTime to) { return std::chrono::floor<std::chrono::seconds>(to - from).count(); }

json approvals_to_json(const approve::Hold& hold) {
    json out = json::array();
    for (const auto& approval : hold.request.approvals) {
        const bool is_given = std::ranges::find(hold.approved, approval.name) != hold.approved.end();
        out.push_back(
            {{"name", approval.name}, {"users", approval.users}, {"groups", approval.groups}, {"is_given", is_given}});
    }
    return out;
}

json acts_to_json(const approve::Hold& hold) {
    json out = json::array();
    for (const auto& act : hold.acts) {
        out.push_back({{"approval", act.approval},
                       {"approves", act.approves},
                       {"person", shown_text(act.person)},
                       {"uid", act.uid},
                       {"login_uid", act.login_uid},
                       {"is_runner", act.is_runner},
                       {"reason", shown_text(act.reason, Lines::many)},
                       {"time", to_rfc3339(act.when)}});
    }
    return out;
}

}  // namespace

json hold_to_json(const approve::Hold& hold, Detail detail, WallTime now) {
    const auto& request = hold.request;
    const bool is_brief = detail == Detail::brief;
    const std::string text = shown_text(is_brief ? request.text.substr(0, brief_text) : request.text, Lines::many);
    json out = {{"id", hold.status.id},
                {"state", name_of(hold.status.state)},
                {"opened", to_rfc3339(hold.opened)},
                {"deadline", to_rfc3339(hold.status.deadline)},
                {"age_s", seconds_between(hold.opened, now)},
                {"left_s", seconds_between(now, hold.status.deadline)},
                {"agent", shown_text(request.agent)},
                {"target", shown_text(request.target)},
                {"rules", request.rules},
                {"text", text},
                {"is_text_whole", !is_brief || request.text.size() <= brief_text},
                {"is_agent_connected", hold.is_agent_connected},
                {"decided_by", shown_text(hold.status.decided_by)},
                {"reason", shown_text(hold.status.reason, Lines::many)}};
    if (hold.decided != WallTime{}) out["decided"] = to_rfc3339(hold.decided);
    if (is_brief) return out;
    out["has_escapes"] = text != request.text;
    out["session"] = shown_text(request.session);
    out["agent_sets"] = request.agent_sets;
    out["agent_uid"] = request.agent_uid;
    out["runner_uid"] = request.runner_uid ? json(*request.runner_uid) : json();
    out["exe"] = shown_text(request.exe);
    out["purpose"] = shown_text(request.purpose, Lines::many);
    out["database"] = shown_text(request.database);
    out["database_user"] = shown_text(request.database_user);
    out["parameters"] = shown_list(request.parameters);
    out["message"] = shown_text(request.message, Lines::many);
    out["effects"] = shown_list(request.effects);
    out["before"] = shown_list(request.before);
    out["is_in_transaction"] = request.is_in_transaction;
    out["policy_revision"] = request.policy_revision;
    out["digest"] = to_hex(request.digest);
    out["approvals"] = approvals_to_json(hold);
    out["acts"] = acts_to_json(hold);
    return out;
}

}  // namespace assent::app

#include "app/hold_view.h"

#include <algorithm>

#include "approve/chain.h"
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

json stage_to_json(const approve::Hold& hold, const model::HoldApproval& approval, std::size_t index, std::size_t current) {
    const model::HoldStage& stage = approval.stages[index];
    const auto given = approve::given_to(hold, approval, index);
    json given_by = json::array();
    for (const approve::Act* act : given) given_by.push_back(shown_text(act->person));
    json out = {{"users", stage.users},
                {"groups", stage.groups},
                {"quorum", stage.quorum},
                {"given_by", std::move(given_by)},
                {"missing", stage.quorum - std::min<std::size_t>(stage.quorum, given.size())},
                {"state", index < current    ? "given"
                          : index == current ? "waits"
                                             : "later"}};
    if (!stage.escalate_after) return out;
    out["escalate_to"] = {{"users", stage.escalate_users}, {"groups", stage.escalate_groups}};
    out["escalate_after_s"] = stage.escalate_after->count();
    out["is_escalated"] = approve::is_escalated(hold, approval, index);
    if (index == current && hold.status.state == model::HoldState::waiting) {
        if (const auto at = approve::escalates_at(hold, approval)) out["escalates"] = to_rfc3339(*at);
    }
    return out;
}

json estimate_to_json(const model::Estimate& estimate) {
    json rows = json::array();
    for (const auto& one : estimate.rows)
        rows.push_back({{"operation", one.operation}, {"relation", shown_text(one.relation)}, {"rows", one.rows}});
    return {{"rows", std::move(rows)}, {"why_not", shown_text(estimate.why_not)}};
}

// `users` and `groups` are of the stage that waits, with those that it has been escalated to.
json approval_to_json(const approve::Hold& hold, const model::HoldApproval& approval) {
    const std::size_t current = approve::current_stage(hold, approval);
    json stages = json::array();
    for (std::size_t i = 0; i < approval.stages.size(); ++i) stages.push_back(stage_to_json(hold, approval, i, current));
    const std::size_t shown = std::min(current, approval.stages.size() - 1);
    auto users = approval.stages[shown].users;
    auto groups = approval.stages[shown].groups;
    if (approve::is_escalated(hold, approval, shown)) {
        const auto& stage = approval.stages[shown];
        users.insert(users.end(), stage.escalate_users.begin(), stage.escalate_users.end());
        groups.insert(groups.end(), stage.escalate_groups.begin(), stage.escalate_groups.end());
    }
    json out = {{"name", approval.name},       {"users", std::move(users)},
                {"groups", std::move(groups)}, {"is_given", current == approval.stages.size()},
                {"stage", shown + 1},          {"stages", std::move(stages)}};
    if (approval.break_glass) out["break_glass_s"] = approval.break_glass->count();
    return out;
}

json approvals_to_json(const approve::Hold& hold) {
    json out = json::array();
    for (const auto& approval : hold.request.approvals) {
        if (!approval.stages.empty()) out.push_back(approval_to_json(hold, approval));
    }
    return out;
}

json acts_to_json(const approve::Hold& hold) {
    json out = json::array();
    for (const auto& act : hold.acts) {
        json one = {{"approval", act.approval},
                    {"stage", act.stage + 1},
                    {"approves", act.approves},
                    {"person", shown_text(act.person)},
                    {"uid", act.uid},
                    {"login_uid", act.login_uid},
                    {"is_runner", act.is_runner},
                    {"reason", shown_text(act.reason, Lines::many)},
                    {"time", to_rfc3339(act.when)}};
        if (!act.issuer.empty()) {
            one["issuer"] = shown_text(act.issuer);
            one["subject"] = shown_text(act.subject);
        }
        if (act.widening) {
            one["widened_s"] = act.widening->lasts.count();
            if (act.widening->times != 0) one["widened_times"] = act.widening->times;
        }
        out.push_back(std::move(one));
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
                {"shape", to_hex(request.shape)},
                {"waits_for", approve::outstanding(hold)},
                {"decided_by", shown_text(hold.status.decided_by)},
                {"reason", shown_text(hold.status.reason, Lines::many)}};
    if (!hold.status.grant.empty()) out["grant"] = hold.status.grant;
    if (hold.decided != WallTime{}) out["decided"] = to_rfc3339(hold.decided);
    if (is_brief) return out;
    out["has_escapes"] = text != request.text;
    out["session"] = shown_text(request.session);
    out["agent_sets"] = request.agent_sets;
    out["agent_uid"] = request.agent_uid;
    out["acts_for"] = json::array();
    for (const auto& one : request.acts_for)
        out["acts_for"].push_back({{"issuer", shown_text(one.issuer)}, {"subject", shown_text(one.subject)}});
    out["runner_uid"] = request.runner_uid ? json(*request.runner_uid) : json();
    out["exe"] = shown_text(request.exe);
    out["purpose"] = shown_text(request.purpose, Lines::many);
    out["database"] = shown_text(request.database);
    out["database_user"] = shown_text(request.database_user);
    out["executes"] = shown_list(request.executes);
    out["parameters"] = shown_list(request.parameters);
    out["message"] = shown_text(request.message, Lines::many);
    out["effects"] = shown_list(request.effects);
    out["before"] = shown_list(request.before);
    out["estimate"] = estimate_to_json(request.estimate);
    out["is_in_transaction"] = request.is_in_transaction;
    if (request.in_transaction_since != WallTime{}) out["in_transaction_since"] = to_rfc3339(request.in_transaction_since);
    out["policy_revision"] = request.policy_revision;
    out["digest"] = to_hex(request.digest);
    out["approvals"] = approvals_to_json(hold);
    out["acts"] = acts_to_json(hold);
    return out;
}

json grant_to_json(const approve::Grant& grant, WallTime now) {
    json approvals = json::array();
    for (const auto& approval : grant.approvals) approvals.push_back(approval.name);
    const bool is_used_up = grant.times != 0 && grant.used >= grant.times;
    const std::string_view state = !grant.revoked_by.empty() ? "revoked"
                                   : now >= grant.until      ? "over"
                                   : is_used_up              ? "used up"
                                                             : "in force";
    json out = {{"id", grant.id},
                {"kind", name_of(grant.kind)},
                {"state", state},
                {"hold", grant.hold},
                {"agent", shown_text(grant.agent)},
                {"target", shown_text(grant.target)},
                {"database", shown_text(grant.database)},
                {"database_user", shown_text(grant.database_user)},
                {"approvals", std::move(approvals)},
                {"text", shown_text(grant.text, Lines::many)},
                {"given_by", shown_text(grant.given_by)},
                {"reason", shown_text(grant.reason, Lines::many)},
                {"opened", to_rfc3339(grant.opened)},
                {"until", to_rfc3339(grant.until)},
                {"left_s", std::max<std::int64_t>(0, std::chrono::floor<std::chrono::seconds>(grant.until - now).count())},
                {"used", grant.used},
                {"needs_review", grant.needs_review()}};
    if (grant.kind == approve::GrantKind::shape) out["shape"] = to_hex(grant.shape);
    if (grant.times != 0) out["times"] = grant.times;
    if (!grant.revoked_by.empty())
        out["revoked"] = {{"by", shown_text(grant.revoked_by)},
                          {"reason", shown_text(grant.revoke_reason, Lines::many)},
                          {"time", to_rfc3339(grant.revoked)}};
    if (!grant.reviewed_by.empty())
        out["review"] = {{"by", shown_text(grant.reviewed_by)},
                         {"text", shown_text(grant.review, Lines::many)},
                         {"time", to_rfc3339(grant.reviewed)}};
    return out;
}

}  // namespace assent::app

// approvals: who has to say yes, one stage after the other, and how long the command waits for it.
#include <algorithm>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "policy/can_be_given.h"
#include "policy/decode.h"

namespace assent::policy {
namespace {

std::optional<std::chrono::seconds> seconds_of(const YamlNode* node, std::string_view key, Reporter& report) {
    if (node == nullptr) return std::nullopt;
    const auto time = read_duration(*node, fmt::format("'{}'", key), report);
    if (!time) return std::nullopt;
    return std::chrono::ceil<std::chrono::seconds>(*time);
}

// `what` is 'reviewers' or 'to'.
Reviewers decode_reviewers(const YamlNode& node, std::string_view what, Reporter& report) {
    Reviewers out;
    MapReader map(node, fmt::format("'{}'", what), report);
    if (const YamlNode* users = map.optional("users")) out.users = plain_texts(read_texts(*users, "'users'", report));
    if (const YamlNode* groups = map.optional("groups")) out.groups = plain_texts(read_texts(*groups, "'groups'", report));
    map.finish();
    if (map.is_map() && out.users.empty() && out.groups.empty()) {
        report.mistake(node.at, fmt::format("nobody can give this approval: '{}' names no users and no groups", what));
    }
    return out;
}

std::optional<Escalation> decode_escalation(const YamlNode& node, const Approval& approval, Reporter& report) {
    Escalation out;
    MapReader map(node, "'escalate'", report);
    const YamlNode* after_node = map.required("after");
    const auto after = seconds_of(after_node, "after", report);
    const YamlNode* to = map.required("to");
    if (to != nullptr) out.to = decode_reviewers(*to, "to", report);
    map.finish();
    if (after && *after >= approval.deadline) {
        report.mistake(after_node->at, "'after' never comes: the approval's 'deadline' is before it");
    }
    if (!after || to == nullptr) return std::nullopt;
    out.after = *after;
    return out;
}

Stage decode_stage(const YamlNode& node, const Approval& approval, Reporter& report) {
    Stage out;
    MapReader map(node, "a stage", report);
    const YamlNode* reviewers = map.required("reviewers");
    if (reviewers != nullptr) out.reviewers = decode_reviewers(*reviewers, "reviewers", report);
    const YamlNode* quorum = map.optional("quorum");
    if (quorum != nullptr) {
        const auto number = read_number(*quorum, "'quorum'", 1, limits::hold_quorum, report);
        out.quorum = static_cast<std::uint32_t>(number.value_or(1));
    }
    if (const YamlNode* escalate = map.optional("escalate")) out.escalation = decode_escalation(*escalate, approval, report);
    map.finish();
    const auto most = most_persons(out);
    if (most && *most > 0 && *most < out.quorum) {
        report.mistake(quorum->at,
                       fmt::format("nobody can give this approval: its quorum is {}, and it names {} {} and no group",
                                   out.quorum, *most, *most == 1 ? "person" : "persons"));
        out.quorum = 1;  // told once
    }
    return out;
}

void decode_stages(const YamlNode& node, Approval& approval, Reporter& report) {
    if (node.kind != YamlNode::Kind::list) {
        report.mistake(node.at, fmt::format("'stages' has to be a list (- reviewers: …), and is {}", kind_name(node.kind)));
        return;
    }
    if (node.items.empty()) {
        report.mistake(node.at, "nobody can give this approval: it has no stages");
        return;
    }
    if (node.items.size() > limits::hold_stages) {
        report.mistake(node.at, fmt::format("an approval has at most {} stages", limits::hold_stages));
        return;
    }
    for (const YamlNode& item : node.items) approval.stages.push_back(decode_stage(item, approval, report));
    const bool is_each_possible = std::all_of(approval.stages.begin(), approval.stages.end(), [](const Stage& stage) {
        const auto most = most_persons(stage);
        return !most || *most >= stage.quorum;
    });
    if (is_each_possible && !has_persons_for_all(approval.stages)) {
        report.mistake(
            node.at,
            "nobody can give this approval: a person counts in one of its stages only, and its stages name too few "
            "different persons");
    }
}

// One answer opens it at once: more than one person, or a wait for others, would not be that.
void decode_break_glass(const YamlNode& node, Approval& approval, Reporter& report) {
    MapReader map(node, "'break_glass'", report);
    const YamlNode* duration = map.required("for");
    const auto lasts = seconds_of(duration, "for", report);
    map.finish();
    if (lasts && (lasts->count() == 0 || *lasts > limits::glass_duration)) {
        report.mistake(duration->at, fmt::format("'for' is from 1s to {}h", limits::glass_duration.count()));
    }
    const bool is_one = approval.stages.size() == 1 && approval.stages[0].quorum == 1 && !approval.stages[0].escalation;
    if (!approval.stages.empty() && !is_one) {
        report.mistake(node.at, "an approval that breaks the glass has one stage, with a quorum of 1 and no 'escalate'");
    }
    approval.break_glass = lasts.value_or(std::chrono::seconds(0));
}

Approval decode_approval(const std::string& name, const YamlNode& node, Reporter& report) {
    Approval out;
    out.name = name;
    MapReader map(node, fmt::format("approval '{}'", name), report);
    const YamlNode* wait_node = map.optional("wait");
    const auto wait = seconds_of(wait_node, "wait", report);
    const YamlNode* deadline_node = map.optional("deadline");
    const auto deadline = seconds_of(deadline_node, "deadline", report);
    if (deadline) out.deadline = *deadline;
    if (deadline && deadline->count() == 0)
        report.mistake(deadline_node->at, "nobody can give this approval: its deadline is at once");
    // A deadline that is shorter than the default wait shortens it; one that is shorter than a wait that was written is a
    // mistake.
    out.wait = wait ? *wait : std::min(out.wait, out.deadline);
    if (wait && *wait > out.deadline) report.mistake(wait_node->at, "'wait' is longer than 'deadline'");
    if (const YamlNode* in_transaction = map.optional("in_transaction")) {
        out.holds_in_transaction = read_choice(*in_transaction, "'in_transaction'", {"deny", "hold"}, report) == 1;
    }
    if (const YamlNode* stages = map.required("stages")) decode_stages(*stages, out, report);
    if (const YamlNode* glass = map.optional("break_glass")) decode_break_glass(*glass, out, report);
    map.finish();
    return out;
}

}  // namespace

void decode_approvals(const YamlNode& node, Decoding& decoding) {
    const MapReader map(node, "'approvals'", decoding.report);
    for (const auto& member : node.members) {
        if (!check_name(member.key, member.key_at, "an approval", decoding.report)) continue;
        if (!decoding.define("approval", member.key, member.key_at)) continue;
        decoding.content.approvals[member.key] = {decode_approval(member.key, member.value, decoding.report),
                                                  decoding.place(member.key_at)};
    }
}

}  // namespace assent::policy

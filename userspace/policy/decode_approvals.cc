// approvals: who has to say yes, and how long the command waits for it.
#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/decode.h"

namespace assent::policy {
namespace {

std::optional<std::chrono::seconds> seconds_of(MapReader& map, std::string_view key, Reporter& report) {
    const YamlNode* node = map.optional(key);
    if (node == nullptr) return std::nullopt;
    const auto time = read_duration(*node, fmt::format("'{}'", key), report);
    if (!time) return std::nullopt;
    return std::chrono::ceil<std::chrono::seconds>(*time);
}

void decode_reviewers(const YamlNode& node, Reviewers& reviewers, Reporter& report) {
    MapReader map(node, "'reviewers'", report);
    if (const YamlNode* users = map.optional("users")) reviewers.users = plain_texts(read_texts(*users, "'users'", report));
    if (const YamlNode* groups = map.optional("groups"))
        reviewers.groups = plain_texts(read_texts(*groups, "'groups'", report));
    map.finish();
    if (map.is_map() && reviewers.users.empty() && reviewers.groups.empty()) {
        report.mistake(node.at, "nobody can give this approval: 'reviewers' names no users and no groups");
    }
}

void decode_stage(const YamlNode& node, Approval& approval, Reporter& report) {
    MapReader map(node, "a stage", report);
    if (const YamlNode* reviewers = map.required("reviewers")) decode_reviewers(*reviewers, approval.reviewers, report);
    if (const YamlNode* quorum = map.optional("quorum")) {
        const auto number = read_number(*quorum, "'quorum'", 1, 100, report);
        if (number && *number > 1) report.mistake(quorum->at, "a quorum of more than 1 is not yet supported");
    }
    map.unsupported("escalate", "escalation ('escalate')");
    map.finish();
}

Approval decode_approval(const std::string& name, const YamlNode& node, Reporter& report) {
    Approval out;
    out.name = name;
    MapReader map(node, fmt::format("approval '{}'", name), report);
    const auto wait = seconds_of(map, "wait", report);
    const auto deadline = seconds_of(map, "deadline", report);
    if (deadline) out.deadline = *deadline;
    if (deadline && deadline->count() == 0)
        report.mistake(map.optional("deadline")->at, "nobody can give this approval: its deadline is at once");
    // A deadline that is shorter than the default wait shortens it; one that is shorter than a wait that was written is a
    // mistake.
    out.wait = wait ? *wait : std::min(out.wait, out.deadline);
    if (wait && *wait > out.deadline) report.mistake(map.optional("wait")->at, "'wait' is longer than 'deadline'");
    if (const YamlNode* in_transaction = map.optional("in_transaction")) {
        out.holds_in_transaction = read_choice(*in_transaction, "'in_transaction'", {"deny", "hold"}, report) == 1;
    }
    if (const YamlNode* stages = map.required("stages")) {
        if (stages->kind != YamlNode::Kind::list) {
            report.mistake(stages->at,
                           fmt::format("'stages' has to be a list (- reviewers: …), and is {}", kind_name(stages->kind)));
        } else if (stages->items.empty()) {
            report.mistake(stages->at, "nobody can give this approval: it has no stages");
        } else {
            decode_stage(stages->items[0], out, report);
            if (stages->items.size() > 1) report.mistake(stages->items[1].at, "more than one stage is not yet supported");
        }
    }
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

#include "cli/hold_screen.h"

#include <pwd.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/table.h"

namespace assent::cli {
namespace {

using nlohmann::json;

constexpr Margin of_agent = {"    │ ", "    ┆ "};
constexpr Margin of_field = {"  ", "  ┆ "};
constexpr std::size_t narrowest = 20;

std::string user_text(long long uid) {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(static_cast<uid_t>(uid), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
        return fmt::format("{} (uid {})", found->pw_name, uid);
    }
    return fmt::format("uid {}", uid);
}

std::string time_text(const json& hold) {
    const std::string age = "opened " + shown_duration(number_of(hold, "age_s")) + " ago";
    if (text_of(hold, "state") != "waiting") return age;
    return shown_duration(std::max(0LL, number_of(hold, "left_s"))) + " left, until " + text_of(hold, "deadline") + ", " +
           age;
}

std::string agent_text(const json& hold) {
    std::string text = text_of(hold, "agent");
    if (const auto sets = texts_of(hold, "agent_sets"); !sets.empty()) text += " [" + joined(sets) + "]";
    text += ", runs " + text_of(hold, "exe") + " as " + user_text(number_of(hold, "agent_uid"));
    if (member_of(hold, "runner_uid").is_number()) text += ", started by " + user_text(number_of(hold, "runner_uid"));
    for (const auto& one : member_of(hold, "acts_for"))
        text += (&one == &member_of(hold, "acts_for").front() ? ", acts for " : ", by ") + text_of(one, "subject") + " (" +
                text_of(one, "issuer") + ")";
    if (!flag_of(hold, "is_agent_connected")) text += "; not connected now, it has to send the command again";
    return text;
}

std::string target_text(const json& hold) {
    std::string text = text_of(hold, "target");
    if (const auto database = text_of(hold, "database"); !database.empty()) text += ", database " + database;
    if (const auto user = text_of(hold, "database_user"); !user.empty()) text += ", as " + user;
    if (flag_of(hold, "is_in_transaction")) text += "; inside a transaction, which keeps its locks";
    if (const auto since = text_of(hold, "in_transaction_since"); !since.empty()) text += ", since " + since;
    return text;
}

// "update orders: about 1204 rows", by the planner; or why nobody can say. Empty: nobody was asked.
std::string estimate_text(const json& hold) {
    const json& estimate = member_of(hold, "estimate");
    std::vector<std::string> out;
    for (const json& one : member_of(estimate, "rows")) {
        const auto relation = text_of(one, "relation");
        out.push_back(fmt::format("{}{}{}: about {} rows", text_of(one, "operation"), relation.empty() ? "" : " ", relation,
                                  number_of(one, "rows")));
    }
    if (!out.empty()) return joined(out) + ", as the planner expects";
    const auto why_not = text_of(estimate, "why_not");
    return why_not.empty() ? "" : "not estimated: " + why_not;
}

std::string people_text(const json& who) {
    std::vector<std::string> people = texts_of(who, "users");
    for (const auto& group : texts_of(who, "groups")) people.push_back("group " + group);
    return joined(people);
}

// "stage 2 of 3: 1 of 2 (group security), given by ana; from 2026-… also group oncall"
std::string stage_text(const json& stage, std::size_t number, std::size_t count) {
    const auto given = texts_of(stage, "given_by");
    const auto quorum = number_of(stage, "quorum");
    std::string text = count > 1 ? fmt::format("stage {} of {}: ", number, count) : "";
    if (quorum > 1) text += fmt::format("{} of {} persons ", given.size(), quorum);
    text += text_of(stage, "state") == "given" ? "given" : "(" + people_text(stage) + ")";
    if (!given.empty()) text += " by " + joined(given);
    const json& escalate_to = member_of(stage, "escalate_to");
    if (escalate_to.is_object() && flag_of(stage, "is_escalated")) text += ", escalated to " + people_text(escalate_to);
    if (const auto when = text_of(stage, "escalates"); !when.empty())
        text += fmt::format(", from {} on also {}", when, people_text(escalate_to));
    return text;
}

std::string approvals_text(const json& hold) {
    std::vector<std::string> all;
    for (const json& approval : member_of(hold, "approvals")) {
        std::string text = text_of(approval, "name");
        if (const auto glass = number_of(approval, "break_glass_s"); glass != 0)
            text += fmt::format(" BREAKS THE GLASS for {}", shown_duration(glass));
        if (flag_of(approval, "is_given")) text += " (given)";
        all.push_back(text);
        const json& stages = member_of(approval, "stages");
        for (std::size_t i = 0; i < stages.size(); ++i) all.push_back("  " + stage_text(stages[i], i + 1, stages.size()));
    }
    return joined(all, "\n");
}

std::string acts_text(const json& hold) {
    std::vector<std::string> all;
    for (const json& act : member_of(hold, "acts")) {
        std::string text = fmt::format("{} {} {}", text_of(act, "time"), text_of(act, "person"),
                                       flag_of(act, "approves") ? "approved" : "denied");
        text += " " + text_of(act, "approval");
        if (const auto stage = number_of(act, "stage"); stage > 1) text += fmt::format(" stage {}", stage);
        if (const auto lasts = number_of(act, "widened_s"); lasts != 0) text += " widened for " + shown_duration(lasts);
        if (flag_of(act, "is_runner")) text += " (who started this agent)";
        if (const auto reason = text_of(act, "reason"); !reason.empty()) text += ": " + reason;
        all.push_back(text);
    }
    return joined(all, "\n");
}

void add_all(std::vector<std::string>& out, std::vector<std::string> lines) {
    out.insert(out.end(), std::make_move_iterator(lines.begin()), std::make_move_iterator(lines.end()));
}

void add_block(std::vector<std::string>& out, std::string_view title, std::string_view text, std::size_t width) {
    out.push_back(fmt::format("  {}", title));
    add_all(out, behind(of_agent, text, width));
}

std::string fields_of(const json& hold) {
    Fields fields;
    fields.add("who", agent_text(hold));
    fields.add("where", target_text(hold));
    fields.add("session", text_of(hold, "session"));
    std::string rules = joined(texts_of(hold, "rules"));
    if (const auto message = text_of(hold, "message"); !message.empty()) rules += ": " + message;
    fields.add("held by", rules);
    fields.add("it would", joined(texts_of(hold, "effects")));
    if (const auto estimate = estimate_text(hold); !estimate.empty()) fields.add("rows", estimate);
    fields.add("reviewers", approvals_text(hold));
    if (const auto acts = acts_text(hold); !acts.empty()) fields.add("answers", acts);
    return fields.to_text();
}

}  // namespace

std::vector<std::string> behind(const Margin& margin, std::string_view text, std::size_t width) {
    const std::size_t margin_width = std::max(shown_width(margin.line), shown_width(margin.wrapped));
    const std::size_t room = width == 0 ? 0 : std::max(width, narrowest + margin_width) - margin_width;
    std::vector<std::string> out;
    std::string escaped = shown_text(text, Lines::many);
    // A tab's width depends on where it stands.
    for (std::size_t at = escaped.find('\t'); at != std::string::npos; at = escaped.find('\t', at))
        escaped.replace(at, 1, "    ");
    std::string_view rest = escaped;
    while (true) {
        const auto end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        std::string_view before = margin.line;
        do {
            const std::size_t taken = room == 0 ? line.size() : size_of_width(line, room);
            out.push_back(std::string(before) + std::string(line.substr(0, taken)));
            line.remove_prefix(taken);
            before = margin.wrapped;
        } while (!line.empty());
        if (end == std::string_view::npos) return out;
        rest.remove_prefix(end + 1);
    }
}

std::vector<std::string> hold_lines(const json& hold, std::size_t width) {
    std::vector<std::string> out;
    out.push_back(fmt::format("{}  {}  ({})", text_of(hold, "id"), state_text(hold), time_text(hold)));
    std::string fields = fields_of(hold);
    if (!fields.empty()) fields.pop_back();
    add_all(out, behind(of_field, fields, width));
    if (const auto purpose = text_of(hold, "purpose"); !purpose.empty()) {
        add_block(out, "what it says it is for:", purpose, width);
    }
    if (const auto before = texts_of(hold, "before"); !before.empty()) {
        out.emplace_back("  what the session did before (newest last):");
        for (const auto& text : before) add_all(out, behind(of_agent, text, width));
    }
    add_block(out, "the command:", text_of(hold, "text"), width);
    for (const auto& text : texts_of(hold, "executes")) add_block(out, "where the name stands for:", text, width);
    const auto parameters = texts_of(hold, "parameters");
    if (!parameters.empty()) out.emplace_back("  with the values:");
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        add_all(out, behind(of_agent, fmt::format("${} = {}", i + 1, parameters[i]), width));
    }
    if (flag_of(hold, "has_escapes"))
        out.emplace_back("  Some characters that cannot be seen are written as \\u{…} or \\x….");
    if (!is_whole(hold)) out.emplace_back("  This is not the whole command, so it cannot be approved from here.");
    return out;
}

bool is_whole(const json& hold) { return flag_of(hold, "is_text_whole") && member_of(hold, "parameters").is_array(); }

std::string state_text(const json& hold) {
    std::string text = text_of(hold, "state");
    if (const auto by = text_of(hold, "decided_by"); !by.empty()) text += (text == "used" ? ", approved by " : " by ") + by;
    if (const auto reason = text_of(hold, "reason"); !reason.empty()) text += ": " + reason;
    return text;
}

}  // namespace assent::cli

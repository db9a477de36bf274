#include "session/approved_command.h"

#include <algorithm>

#include <fmt/format.h>

#include "sql/shape.h"
#include "wire/postgres/binary_value.h"

namespace assent::session {
namespace {

// Every part with its length in front, so that no two commands give the same bytes.
class Framed {
public:
    Framed& text(std::string_view value) {
        number(value.size());
        append(bytes_, as_bytes(value));
        return *this;
    }
    Framed& number(std::uint64_t value) {
        for (int shift = 56; shift >= 0; shift -= 8)
            bytes_.push_back(static_cast<std::byte>(value >> static_cast<unsigned>(shift)));
        return *this;
    }
    [[nodiscard]] Digest digest() const { return sha256(bytes_); }

private:
    ByteVector bytes_;
};

// For whom, and by whom: not until when, so that a token which was renewed is as good.
void add_token(Framed& framed, const model::AgentToken* token) {
    if (token == nullptr || token->issuer.empty()) {
        framed.text("");
        return;
    }
    framed.text(token->issuer).text(token->subject).number(token->actors.size());
    for (const model::TokenActor& actor : token->actors) framed.text(actor.issuer).text(actor.subject);
}

std::vector<std::string> effect_lines(const model::Verdict& verdict) {
    std::vector<std::string> lines;
    for (const model::EffectVerdict& one : verdict.effects) {
        std::string line(model::name_of(one.effect.operation));
        for (const model::Object& object : one.effect.objects) line += " " + object.name;
        lines.push_back(std::move(line));
    }
    return lines;
}

model::HoldApproval approval_of(const policy::Approval& approval) {
    model::HoldApproval out;
    out.name = approval.name;
    out.break_glass = approval.break_glass;
    for (const policy::Stage& stage : approval.stages) {
        model::HoldStage& one = out.stages.emplace_back();
        one.users = stage.reviewers.users;
        one.groups = stage.reviewers.groups;
        one.quorum = stage.quorum;
        if (!stage.escalation) continue;
        one.escalate_after = stage.escalation->after;
        one.escalate_users = stage.escalation->to.users;
        one.escalate_groups = stage.escalation->to.groups;
    }
    return out;
}

// Constants that the grammar itself takes for such may differ; of any other text every byte counts.
std::string shape_text(std::string_view text, const sql::Parsed* parsed) {
    sql::Shape shape;
    const bool has_shape =
        parsed != nullptr && shape.read(text) && (parsed->has_lent_tree || sql::may_lend_tree(*parsed, shape));
    return has_shape ? shape.key : std::string(text);
}

// The subject first, then who acts, the one who acts now first. An actor without an issuer is the token's own.
std::vector<model::Principal> acts_for(const model::AgentToken* token) {
    std::vector<model::Principal> out;
    if (token == nullptr || token->issuer.empty()) return out;
    out.push_back({token->issuer, token->subject});
    for (const auto& actor : token->actors)
        out.push_back({actor.issuer.empty() ? token->issuer : actor.issuer, actor.subject});
    return out;
}

std::string in_quotes(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'') out += c;
        out += c;
    }
    return out + "'";
}

// What the text does not say: names may stand for other things at another time, and values may be read otherwise.
void add_meaning(Framed& framed, const Place& place, const Judged& judged) {
    const auto effects = effect_lines(judged.verdict);
    framed.number(effects.size());
    for (const std::string& effect : effects) framed.text(effect);
    framed.number(judged.analysis.executed.size());
    for (const std::string& executed : judged.analysis.executed) framed.text(executed);
    framed.text(place.moment);
    if (!place.moment.empty() || place.reading == nullptr) return;
    for (const auto& [name, value] : *place.reading) framed.text(name).text(value);
}

}  // namespace

Digest command_digest(const Place& place, const wire::CommandSeen& command, std::string_view text, const Judged& judged) {
    Framed framed;
    framed.text("assent command 2");
    framed.text(place.agent->name()).number(place.agent->uid);
    add_token(framed, place.agent->token.get());
    framed.text(place.target).text(place.database).text(place.database_user);
    framed.text(place.catalog->current_user()).text(place.catalog->session_user());
    framed.number(place.catalog->search_path().size());
    for (const std::string& schema : place.catalog->search_path()) framed.text(schema);
    framed.number(static_cast<std::uint64_t>(command.transaction_status)).number(static_cast<std::uint64_t>(command.kind));
    framed.text(text).number(command.function_oid);
    framed.number(command.parameters.size());
    for (const wire::Parameter& parameter : command.parameters) {
        framed.number(parameter.type).number(parameter.is_binary ? 1 : 0).number(parameter.is_null ? 1 : 0);
        framed.text(as_text(parameter.value));
    }
    framed.number(command.result_formats.size());
    for (const std::int16_t format : command.result_formats) framed.number(static_cast<std::uint64_t>(format));
    for (const auto& [name, value] : command.options) framed.text(name).text(value);
    add_meaning(framed, place, judged);
    return framed.digest();
}

Digest command_shape(const Place& place, const wire::CommandSeen& command, std::string_view text, const sql::Parsed* parsed,
                     const Judged& judged) {
    Framed framed;
    framed.text("assent shape 2");
    framed.text(place.agent->name()).number(place.agent->uid);
    add_token(framed, place.agent->token.get());
    framed.text(place.target).text(place.database).text(place.database_user);
    framed.text(place.catalog->current_user()).text(place.catalog->session_user());
    framed.number(place.catalog->search_path().size());
    for (const std::string& schema : place.catalog->search_path()) framed.text(schema);
    framed.number(static_cast<std::uint64_t>(command.kind)).number(command.function_oid);
    framed.text(shape_text(text, parsed));
    framed.number(command.parameters.size());
    for (const wire::Parameter& parameter : command.parameters) framed.number(parameter.type);
    for (const auto& [name, value] : command.options) framed.text(name).text(value);
    add_meaning(framed, place, judged);
    return framed.digest();
}

std::string shown_parameter(const wire::Parameter& parameter) {
    if (parameter.is_null) return "NULL";
    if (!parameter.is_binary) return in_quotes(as_text(parameter.value));
    const std::uint32_t type = parameter.type != 0 ? parameter.type : parameter.described_type;
    const std::string name = wire::postgres::type_name(type);
    const auto text = wire::postgres::text_of_binary(type, parameter.value);
    if (!text.has_value()) return fmt::format("\\x{} (binary, {})", to_hex(parameter.value), name);
    return fmt::format("{} ({})", wire::postgres::is_quoted_type(type) ? in_quotes(*text) : *text, name);
}

Result<model::HoldRequest> hold_request(const Place& place, const wire::CommandSeen& command, std::string_view text,
                                        const Judged& judged, const policy::Policy& policy, const sql::Parsed* parsed) {
    model::HoldRequest request;
    request.text = text;
    request.executes = judged.analysis.executed;
    request.digest = command_digest(place, command, request.text, judged);
    request.shape = command_shape(place, command, request.text, parsed, judged);
    request.agent = place.agent->name();
    request.cgroup_id = place.agent->cgroup_id;
    request.agent_uid = place.agent->uid;
    request.runner_uid = place.agent->runner_uid;
    request.acts_for = acts_for(place.agent->token.get());
    request.exe = place.agent->exe;
    request.purpose = place.agent->purpose;
    request.target = place.target;
    request.database = place.database;
    request.database_user = place.database_user;
    for (const wire::Parameter& parameter : command.parameters) request.parameters.push_back(shown_parameter(parameter));
    request.rules = judged.verdict.rules;
    request.message = judged.verdict.message;
    request.effects = effect_lines(judged.verdict);
    request.is_in_transaction = command.transaction_status != 'I';
    request.policy_revision = policy.revision();
    bool is_first = true;
    for (const std::string& name : judged.verdict.approvals) {
        const policy::Approval* approval = policy.approval(name);
        if (approval == nullptr) return fail(Errc::internal, fmt::format("the approval '{}' is not in the policy", name));
        request.approvals.push_back(approval_of(*approval));
        request.wait = is_first ? approval->wait : std::min(request.wait, approval->wait);
        request.deadline = is_first ? approval->deadline : std::min(request.deadline, approval->deadline);
        is_first = false;
    }
    if (request.approvals.empty()) return fail(Errc::internal, "the verdict names no approval");
    return request;
}

bool may_wait_in_transaction(const Judged& judged, const policy::Policy& policy) {
    return std::ranges::all_of(judged.verdict.approvals, [&](const std::string& name) {
        const policy::Approval* approval = policy.approval(name);
        return approval != nullptr && approval->holds_in_transaction;
    });
}

}  // namespace assent::session

#include "session/approved_command.h"

#include <algorithm>

#include <fmt/format.h>

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

std::string in_quotes(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'') out += c;
        out += c;
    }
    return out + "'";
}

}  // namespace

Digest command_digest(const Place& place, const wire::CommandSeen& command, std::string_view text) {
    Framed framed;
    framed.text("assent command 1");
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
                                        const Judged& judged, const policy::Policy& policy) {
    model::HoldRequest request;
    request.text = text;
    request.digest = command_digest(place, command, request.text);
    request.agent = place.agent->name();
    request.cgroup_id = place.agent->cgroup_id;
    request.agent_uid = place.agent->uid;
    request.runner_uid = place.agent->runner_uid;
    request.exe = place.agent->exe;
    request.purpose = place.agent->purpose;
    request.target = place.target;
    request.database = place.database;
    request.database_user = place.database_user;
    for (const wire::Parameter& parameter : command.parameters) request.parameters.push_back(shown_parameter(parameter));
    request.rules = judged.verdict.rules;
    request.message = judged.verdict.message;
    for (const model::EffectVerdict& one : judged.verdict.effects) {
        std::string line(model::name_of(one.effect.operation));
        for (const model::Object& object : one.effect.objects) line += " " + object.name;
        request.effects.push_back(std::move(line));
    }
    request.is_in_transaction = command.transaction_status != 'I';
    request.policy_revision = policy.revision();
    bool is_first = true;
    for (const std::string& name : judged.verdict.approvals) {
        const policy::Approval* approval = policy.approval(name);
        if (approval == nullptr) return fail(Errc::internal, fmt::format("the approval '{}' is not in the policy", name));
        request.approvals.push_back({name, approval->reviewers.users, approval->reviewers.groups});
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

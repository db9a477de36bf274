#include "approve/hold_codec.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "approve/micros.h"
#include "base/shown_text.h"

namespace assent::approve {
namespace {

using nlohmann::json;

json seconds_or_null(const std::optional<std::chrono::seconds>& time) { return time ? json(time->count()) : json(); }

std::optional<std::chrono::seconds> seconds_of(const json& from) {
    if (from.is_null()) return std::nullopt;
    return std::chrono::seconds(from.get<std::int64_t>());
}

json approvals_to_json(const std::vector<model::HoldApproval>& approvals) {
    json out = json::array();
    for (const auto& approval : approvals) {
        json stages = json::array();
        for (const auto& stage : approval.stages) {
            stages.push_back({{"users", stage.users},
                              {"groups", stage.groups},
                              {"quorum", stage.quorum},
                              {"escalate_after_s", seconds_or_null(stage.escalate_after)},
                              {"escalate_users", stage.escalate_users},
                              {"escalate_groups", stage.escalate_groups}});
        }
        out.push_back({{"name", approval.name},
                       {"stages", std::move(stages)},
                       {"break_glass_s", seconds_or_null(approval.break_glass)}});
    }
    return out;
}

model::HoldStage stage_of(const json& from) {
    model::HoldStage stage;
    from.at("users").get_to(stage.users);
    from.at("groups").get_to(stage.groups);
    from.at("quorum").get_to(stage.quorum);
    stage.escalate_after = seconds_of(from.at("escalate_after_s"));
    from.at("escalate_users").get_to(stage.escalate_users);
    from.at("escalate_groups").get_to(stage.escalate_groups);
    return stage;
}

std::vector<model::HoldApproval> approvals_of(const json& from) {
    std::vector<model::HoldApproval> out;
    for (const json& entry : from) {
        model::HoldApproval approval;
        entry.at("name").get_to(approval.name);
        if (!entry.contains("stages")) {  // of the version that had one stage only
            model::HoldStage stage;
            entry.at("users").get_to(stage.users);
            entry.at("groups").get_to(stage.groups);
            approval.stages.push_back(std::move(stage));
        } else {
            for (const json& stage : entry.at("stages")) approval.stages.push_back(stage_of(stage));
            approval.break_glass = seconds_of(entry.at("break_glass_s"));
        }
        out.push_back(std::move(approval));
    }
    return out;
}

json digest_to_json(const Digest& digest) {
    std::vector<std::uint8_t> bytes;
    for (const std::byte byte : digest) bytes.push_back(std::to_integer<std::uint8_t>(byte));
    return json::binary(std::move(bytes));
}

void read_digest(const json& from, Digest& digest) {
    const auto& bytes = from.get_binary();
    if (bytes.size() != digest.size()) throw json::other_error::create(501, "digest", nullptr);
    std::ranges::transform(bytes, digest.begin(), [](std::uint8_t byte) { return std::byte{byte}; });
}

ByteVector cbor_of(const json& value) {
    std::vector<std::uint8_t> bytes = json::to_cbor(value);
    const auto view = std::as_bytes(std::span(bytes));
    return {view.begin(), view.end()};
}

json key_to_json(const PersonKey& key) {
    return {{"issuer", key.issuer}, {"subject", key.subject}, {"login_uid", key.login_uid}};
}

json estimate_to_json(const model::Estimate& estimate) {
    json rows = json::array();
    for (const auto& one : estimate.rows) rows.push_back({one.operation, one.relation, one.rows});
    return {{"rows", std::move(rows)}, {"why_not", estimate.why_not}};
}

model::Estimate estimate_of(const json& from) {
    model::Estimate estimate;
    for (const json& one : from.at("rows")) estimate.rows.push_back({one.at(0), one.at(1), one.at(2)});
    from.at("why_not").get_to(estimate.why_not);
    return estimate;
}

model::HoldRequest request_of(const json& from) {
    model::HoldRequest request;
    read_digest(from.at("digest"), request.digest);
    if (from.contains("shape")) read_digest(from.at("shape"), request.shape);
    if (from.contains("acts_for")) {
        for (const json& one : from.at("acts_for")) request.acts_for.push_back({one.at("issuer"), one.at("subject")});
    }
    from.at("session").get_to(request.session);
    from.at("agent").get_to(request.agent);
    from.at("agent_sets").get_to(request.agent_sets);
    from.at("cgroup_id").get_to(request.cgroup_id);
    from.at("agent_uid").get_to(request.agent_uid);
    if (!from.at("runner_uid").is_null()) request.runner_uid = from.at("runner_uid").get<std::uint32_t>();
    from.at("exe").get_to(request.exe);
    from.at("purpose").get_to(request.purpose);
    from.at("target").get_to(request.target);
    from.at("database").get_to(request.database);
    from.at("database_user").get_to(request.database_user);
    from.at("text").get_to(request.text);
    if (from.contains("executes")) from.at("executes").get_to(request.executes);
    from.at("parameters").get_to(request.parameters);
    from.at("rules").get_to(request.rules);
    from.at("message").get_to(request.message);
    from.at("effects").get_to(request.effects);
    from.at("before").get_to(request.before);
    if (from.contains("estimate")) request.estimate = estimate_of(from.at("estimate"));
    from.at("is_in_transaction").get_to(request.is_in_transaction);
    request.in_transaction_since = wall_of(from.value("in_transaction_since_us", std::int64_t{0}));
    from.at("policy_revision").get_to(request.policy_revision);
    request.approvals = approvals_of(from.at("approvals"));
    request.wait = std::chrono::seconds(from.at("wait_s").get<std::int64_t>());
    request.deadline = std::chrono::seconds(from.at("deadline_s").get<std::int64_t>());
    return request;
}

}  // namespace

ByteVector encode_request(const model::HoldRequest& request) {
    json acts_for = json::array();
    for (const auto& one : request.acts_for) acts_for.push_back({{"issuer", one.issuer}, {"subject", one.subject}});
    const json out = {{"digest", digest_to_json(request.digest)},
                      {"shape", digest_to_json(request.shape)},
                      {"acts_for", std::move(acts_for)},
                      {"session", request.session},
                      {"agent", request.agent},
                      {"agent_sets", request.agent_sets},
                      {"cgroup_id", request.cgroup_id},
                      {"agent_uid", request.agent_uid},
                      {"runner_uid", request.runner_uid ? json(*request.runner_uid) : json()},
                      {"exe", request.exe},
                      {"purpose", request.purpose},
                      {"target", request.target},
                      {"database", request.database},
                      {"database_user", request.database_user},
                      {"text", request.text},
                      {"executes", request.executes},
                      {"parameters", request.parameters},
                      {"rules", request.rules},
                      {"message", request.message},
                      {"effects", request.effects},
                      {"before", request.before},
                      {"estimate", estimate_to_json(request.estimate)},
                      {"is_in_transaction", request.is_in_transaction},
                      {"in_transaction_since_us", micros(request.in_transaction_since)},
                      {"policy_revision", request.policy_revision},
                      {"approvals", approvals_to_json(request.approvals)},
                      {"wait_s", request.wait.count()},
                      {"deadline_s", request.deadline.count()}};
    return cbor_of(out);
}

Result<model::HoldRequest> decode_request(Bytes bytes) {
    try {
        const std::string_view text = as_text(bytes);
        return request_of(json::from_cbor(text.begin(), text.end()));
    } catch (const json::exception& error) {
        return fail(Errc::malformed, std::string("a hold in the database cannot be read: ") + error.what());
    }
}

// Times, counts and what ends it stand in columns of their own, since they change or are asked for.
ByteVector encode_grant(const Grant& grant) {
    json givers = json::array();
    for (const auto& key : grant.givers) givers.push_back(key_to_json(key));
    return cbor_of({{"hold", grant.hold},
                    {"agent", grant.agent},
                    {"agent_uid", grant.agent_uid},
                    {"runner_uid", grant.runner_uid ? json(*grant.runner_uid) : json()},
                    {"target", grant.target},
                    {"database", grant.database},
                    {"database_user", grant.database_user},
                    {"shape", digest_to_json(grant.shape)},
                    {"approvals", approvals_to_json(grant.approvals)},
                    {"text", grant.text},
                    {"given_by", grant.given_by},
                    {"givers", std::move(givers)},
                    {"reason", grant.reason}});
}

Result<> decode_grant(Bytes bytes, Grant& grant) {
    try {
        const std::string_view text = as_text(bytes);
        const json from = json::from_cbor(text.begin(), text.end());
        from.at("hold").get_to(grant.hold);
        from.at("agent").get_to(grant.agent);
        from.at("agent_uid").get_to(grant.agent_uid);
        if (from.contains("runner_uid") && !from.at("runner_uid").is_null())
            grant.runner_uid = from.at("runner_uid").get<std::uint32_t>();
        from.at("target").get_to(grant.target);
        from.at("database").get_to(grant.database);
        from.at("database_user").get_to(grant.database_user);
        read_digest(from.at("shape"), grant.shape);
        grant.approvals = approvals_of(from.at("approvals"));
        from.at("text").get_to(grant.text);
        from.at("given_by").get_to(grant.given_by);
        for (const json& key : from.at("givers"))
            grant.givers.push_back({key.at("issuer"), key.at("subject"), key.at("login_uid")});
        from.at("reason").get_to(grant.reason);
        return {};
    } catch (const json::exception& error) {
        return fail(Errc::malformed, std::string("a grant in the database cannot be read: ") + error.what());
    }
}

std::size_t shown_size(const model::HoldRequest& request) {
    std::string out;
    std::size_t size = 0;
    const auto add = [&](std::string_view text) {
        out.clear();
        append_json_string(out, shown_text(text, Lines::many));
        size += out.size() + 1;
    };
    for (const std::string* text : {&request.session, &request.agent, &request.exe, &request.purpose, &request.target,
                                    &request.database, &request.database_user, &request.text, &request.message}) {
        add(*text);
    }
    for (const auto* list :
         {&request.agent_sets, &request.executes, &request.parameters, &request.rules, &request.effects, &request.before}) {
        std::ranges::for_each(*list, add);
    }
    for (const auto& approval : request.approvals) {
        add(approval.name);
        for (const auto& stage : approval.stages) {
            for (const auto* list : {&stage.users, &stage.groups, &stage.escalate_users, &stage.escalate_groups})
                std::ranges::for_each(*list, add);
        }
    }
    return size;
}

}  // namespace assent::approve

#include "approve/hold_codec.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/shown_text.h"

namespace assent::approve {
namespace {

using nlohmann::json;

json approvals_to_json(const std::vector<model::HoldApproval>& approvals) {
    json out = json::array();
    for (const auto& approval : approvals)
        out.push_back({{"name", approval.name}, {"users", approval.users}, {"groups", approval.groups}});
    return out;
}

model::HoldRequest request_of(const json& from) {
    model::HoldRequest request;
    const auto& digest = from.at("digest").get_binary();
    if (digest.size() != request.digest.size()) throw json::other_error::create(501, "digest", nullptr);
    std::ranges::transform(digest, request.digest.begin(), [](std::uint8_t byte) { return std::byte{byte}; });
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
    from.at("parameters").get_to(request.parameters);
    from.at("rules").get_to(request.rules);
    from.at("message").get_to(request.message);
    from.at("effects").get_to(request.effects);
    from.at("before").get_to(request.before);
    from.at("is_in_transaction").get_to(request.is_in_transaction);
    from.at("policy_revision").get_to(request.policy_revision);
    for (const auto& entry : from.at("approvals")) {
        request.approvals.push_back({entry.at("name"), entry.at("users"), entry.at("groups")});
    }
    request.wait = std::chrono::seconds(from.at("wait_s").get<std::int64_t>());
    request.deadline = std::chrono::seconds(from.at("deadline_s").get<std::int64_t>());
    return request;
}

}  // namespace

ByteVector encode_request(const model::HoldRequest& request) {
    std::vector<std::uint8_t> digest;
    for (const std::byte byte : request.digest) digest.push_back(std::to_integer<std::uint8_t>(byte));
    const json out = {{"digest", json::binary(std::move(digest))},
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
                      {"parameters", request.parameters},
                      {"rules", request.rules},
                      {"message", request.message},
                      {"effects", request.effects},
                      {"before", request.before},
                      {"is_in_transaction", request.is_in_transaction},
                      {"policy_revision", request.policy_revision},
                      {"approvals", approvals_to_json(request.approvals)},
                      {"wait_s", request.wait.count()},
                      {"deadline_s", request.deadline.count()}};
    std::vector<std::uint8_t> bytes = json::to_cbor(out);
    const auto view = std::as_bytes(std::span(bytes));
    return {view.begin(), view.end()};
}

Result<model::HoldRequest> decode_request(Bytes bytes) {
    try {
        const std::string_view text = as_text(bytes);
        return request_of(json::from_cbor(text.begin(), text.end()));
    } catch (const json::exception& error) {
        return fail(Errc::malformed, std::string("a hold in the database cannot be read: ") + error.what());
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
    for (const auto* list : {&request.agent_sets, &request.parameters, &request.rules, &request.effects, &request.before}) {
        std::ranges::for_each(*list, add);
    }
    for (const auto& approval : request.approvals) {
        add(approval.name);
        std::ranges::for_each(approval.users, add);
        std::ranges::for_each(approval.groups, add);
    }
    return size;
}

}  // namespace assent::approve

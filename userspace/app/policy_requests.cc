#include "app/policy_requests.h"

#include <mutex>

#include <fmt/format.h>

#include "app/api_tokens.h"
#include "app/view_rights.h"
#include "base/limits.h"
#include "base/shown_text.h"
#include "policy/explain.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using nlohmann::json;

struct PolicyHandlers {
    PolicyRequests deps;
    std::mutex explaining;  // an analysis may take a second and much memory
};

Result<> may_look(const PolicyHandlers& shared, const Peer& peer, std::string_view what, std::string_view about = {}) {
    if (!may_view(peer, shared.deps.decide()))
        return fail(Errc::denied,
                    "policies are shown to root and to the people in `decide` and `view` of this host's settings");
    return record_look(shared.deps.record, peer, what, about);
}

Result<json> me(const PolicyHandlers& shared, const Peer& peer) {
    if (peer.person.is_governed) return fail(Errc::denied, "agents ask `assent whoami`");
    const DecideLists lists = shared.deps.decide();
    json out{{"name", shown_text(peer.person.name)}, {"groups", json::array()}};
    for (const auto& group : peer.person.groups) out["groups"].push_back(shown_text(group));
    if (!peer.person.issuer.empty()) {
        out["issuer"] = shown_text(peer.person.issuer);
        out["subject"] = shown_text(peer.person.subject);
    }
    if (peer.person.own_uid) out["own_uid"] = *peer.person.own_uid;
    const bool is_token = !peer.person.scopes.empty();
    if (is_token) out["scopes"] = peer.person.scopes;
    out["may"] = {{"view", may_view(peer, lists)},
                  {"end", may_decide_here(peer, lists) && (!is_token || scopes_cover(peer.person.scopes, "end"))},
                  {"decide", !is_token && may_decide_here(peer, lists)},
                  {"review", !is_token && approve::may_answer(peer.person, lists)}};
    return out;
}

Result<json> show(const PolicyHandlers& shared, const Peer& peer) {
    if (auto looked = may_look(shared, peer, "policy"); !looked) return std::unexpected(std::move(looked.error()));
    const auto policy = shared.deps.current();
    if (!policy) return fail(Errc::unavailable, "no policy is loaded");
    json out = shared.deps.describe();
    out["agents"] = policy->agent_sets();
    json targets = json::array();
    for (const auto& target : policy->targets()) targets.push_back(target_to_json(target));
    out["targets"] = std::move(targets);
    std::size_t size = 0;
    json texts = json::object();
    for (const auto& [file, text] : policy->files()) {
        size += text.size();
        // Within what the control socket carries; the whole set is in the log too (policy.loaded).
        if (size > limits::control_message / 4) {
            out["is_cut"] = true;
            break;
        }
        texts[shown_text(file)] = shown_text(text, Lines::many);
    }
    out["texts"] = std::move(texts);
    out["builtin"] = policy::Policy::builtin_text();
    return out;
}

Result<json> explain(PolicyHandlers& shared, const Peer& peer, const json& request) {
    policy::ExplainRequest asked;
    asked.agent = request.at("agent").get<std::string>();
    asked.target = request.at("target").get<std::string>();
    asked.database = request.value("database", "");
    asked.sql = request.at("sql").get<std::string>();
    if (asked.sql.size() > limits::statement_size) return fail(Errc::limit, "the text is longer than any statement may be");
    std::string about;
    JsonWriter(about).member("agent", asked.agent).member("target", asked.target);
    if (auto looked = may_look(shared, peer, "explain", about); !looked) return std::unexpected(std::move(looked.error()));
    const auto policy = shared.deps.current();
    if (!policy) return fail(Errc::unavailable, "no policy is loaded");
    const std::scoped_lock lock(shared.explaining);
    const auto explained = policy::explain(*policy, asked);
    if (!explained) return std::unexpected(explained.error());
    json out = explained->to_json();
    out["policy_revision"] = policy->revision();
    out["explanation"] = shown_text(explained->to_text(), Lines::many);
    return out;
}

std::string_view name_of(policy::UpstreamTls tls) {
    return tls == policy::UpstreamTls::disable ? "disable" : tls == policy::UpstreamTls::require ? "require" : "verify-full";
}

}  // namespace

json target_to_json(const policy::Target& target) {
    json addresses = json::array();
    for (const auto& address : target.addresses) {
        if (!address.unix_name.empty()) {
            addresses.push_back("unix:" + address.unix_name);
            continue;
        }
        const std::string host = address.host.empty() && address.network ? address.network->to_text() : address.host;
        addresses.push_back(host.contains(':') ? fmt::format("[{}]:{}", host, address.port)
                                               : fmt::format("{}:{}", host, address.port));
    }
    return {
        {"name", target.name},           {"addresses", std::move(addresses)},
        {"databases", target.databases}, {"protocol", target.protocol == policy::Protocol::postgres ? "postgres" : "tcp"},
        {"tls", name_of(target.tls)},    {"has_credential", !target.credential.empty()}};
}

void add_policy_requests(control::Server& server, PolicyRequests deps) {
    auto shared = std::shared_ptr<PolicyHandlers>(new PolicyHandlers{std::move(deps), {}});
    server.handle("me", [shared](const Peer& peer, const json&, const Emit&) { return me(*shared, peer); });
    server.handle("policy.show", [shared](const Peer& peer, const json&, const Emit&) { return show(*shared, peer); });
    server.handle("explain",
                  [shared](const Peer& peer, const json& request, const Emit&) { return explain(*shared, peer, request); });
}

}  // namespace assent::app

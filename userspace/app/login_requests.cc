#include "app/login_requests.h"

#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "identity/device_flow.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using identity::DeviceLogin;
using identity::Tokens;
using nlohmann::json;
using std::chrono::seconds;

struct LoginHandlers {
    LoginRequests deps;
    std::mutex mutex;
    std::map<uid_t, Moment> begun;  // when each user began a login last: providers are not to be asked by whoever likes to
};

Result<> may_begin(LoginHandlers& shared, uid_t uid) {
    const std::lock_guard lock(shared.mutex);
    const auto now = shared.deps.clock.now();
    std::erase_if(shared.begun, [&](const auto& one) { return now - one.second > limits::login_interval; });
    if (!shared.begun.try_emplace(uid, now).second)
        return fail(Errc::limit, "you began to log in a moment ago; wait for a moment");
    return {};
}

// Shows the code and waits for the person; each wait looks whether the peer is still there.
Result<Tokens> wait_for_person(const Clock& clock, identity::Provider& provider, const identity::ClientLogin& client,
                               DeviceLogin login, const Emit& emit) {
    const json shown{{"verification_uri", shown_text(login.verification_uri)},
                     {"verification_uri_complete", shown_text(login.verification_uri_complete)},
                     {"user_code", shown_text(login.user_code)},
                     {"expires_in", login.expires_in.count()}};
    if (!emit(shown)) return fail(Errc::unavailable, "the login was given up");
    const auto end = clock.now() + login.expires_in;
    while (clock.now() < end) {
        for (auto waited = seconds(0); waited < login.interval; waited += seconds(1)) {
            if (!emit(json())) return fail(Errc::unavailable, "the login was given up");
            std::this_thread::sleep_for(seconds(1));
        }
        auto tokens = identity::poll_device_login(provider, client, login);
        if (!tokens && tokens.error().code == Errc::unavailable) continue;  // it may answer the next time
        if (!tokens) return std::unexpected(std::move(tokens.error()));
        if (*tokens) return std::move(**tokens);
    }
    return fail(Errc::denied, "nobody entered the code in time; log in again");
}

json answer_of(const model::AgentToken& token) {
    json out = token_to_json(token);
    out["bound"] = true;
    return out;
}

Result<json> bind_to_agent(const LoginHandlers& shared, const Peer& peer, std::string_view token) {
    auto bound = shared.deps.tokens.bind_given(shared.deps.agent_of(peer), token);
    if (!bound) return std::unexpected(std::move(bound.error()));
    return answer_of(**bound);
}

Result<json> bind_given(const LoginHandlers& shared, const Peer& peer, const json& request) {
    if (!peer.person.is_governed)
        return fail(Errc::denied, "only an agent has a token of its own; start it by `assent run --token-file`");
    return bind_to_agent(shared, peer, request.at("agent_token").get<std::string>());
}

Result<json> log_in_agent(const LoginHandlers& shared, const Peer& peer, const std::string& name, const Emit& emit) {
    const auto issuer = shared.deps.issuers.for_agents(name);
    if (!issuer) return std::unexpected(issuer.error());
    const auto& settings = *(*issuer)->settings.agents_login;
    const identity::ClientLogin client{settings.client_id, {}};
    identity::FormFields extra;
    if (!settings.resource.empty()) extra.emplace_back("resource", settings.resource);
    auto& provider = *(*issuer)->provider;
    auto login = identity::begin_device_login(provider, client, settings.scopes, extra);
    if (!login) return std::unexpected(std::move(login.error()));
    auto tokens = wait_for_person(shared.deps.clock, provider, client, std::move(*login), emit);
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    return bind_to_agent(shared, peer, tokens->access_token);
}

// Of a reviewer: the ID token is verified before it is given to them, so that they hear at once what is wrong.
Result<json> person_answer(const LoginHandlers& shared, const Issuers::Issuer& issuer, const Tokens& tokens) {
    if (tokens.id_token.empty()) return fail(Errc::denied, "the provider gave no ID token (is `openid` among the scopes?)");
    const auto person = shared.deps.issuers.identify(tokens.id_token);
    if (!person) return std::unexpected(person.error());
    return json{{"issuer", issuer.settings.issuer},
                {"id_token", tokens.id_token},
                {"refresh_token", tokens.refresh_token},
                {"person", person_to_json(*person)}};
}

Result<json> log_in_person(const LoginHandlers& shared, const std::string& name, const Emit& emit) {
    const auto issuer = shared.deps.issuers.for_reviewers(name);
    if (!issuer) return std::unexpected(issuer.error());
    const auto& one = **issuer;
    auto login = identity::begin_device_login(*one.provider, one.reviewers_client, one.settings.reviewers->scopes, {});
    if (!login) return std::unexpected(std::move(login.error()));
    const auto tokens = wait_for_person(shared.deps.clock, *one.provider, one.reviewers_client, std::move(*login), emit);
    if (!tokens) return std::unexpected(tokens.error());
    return person_answer(shared, one, *tokens);
}

Result<json> log_in(LoginHandlers& shared, const Peer& peer, const json& request, const Emit& emit) {
    const std::string name = request.value("issuer", "");
    if (auto allowed = may_begin(shared, peer.uid); !allowed) return std::unexpected(std::move(allowed.error()));
    return peer.person.is_governed ? log_in_agent(shared, peer, name, emit) : log_in_person(shared, name, emit);
}

Result<json> refresh(const LoginHandlers& shared, const Peer& peer, const json& request) {
    if (peer.person.is_governed) return fail(Errc::denied, "an agent logs in with `assent login`");
    const auto issuer = shared.deps.issuers.for_reviewers(request.at("issuer").get<std::string>());
    if (!issuer) return std::unexpected(issuer.error());
    const auto& one = **issuer;
    const auto old = request.at("refresh_token").get<std::string>();
    if (old.empty() || old.size() > limits::token_size) return fail(Errc::invalid, "that is no refresh token");
    auto tokens = identity::refresh_tokens(*one.provider, one.reviewers_client, old);
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    if (tokens->refresh_token.empty()) tokens->refresh_token = old;  // it goes on (RFC 6749, section 6)
    return person_answer(shared, one, *tokens);
}

}  // namespace

json token_to_json(const model::AgentToken& token) {
    json out{{"issuer", shown_text(token.issuer)}, {"sub", shown_text(token.subject)}};
    if (!token.actors.empty()) out["acting"] = shown_text(model::acting_text(token));
    if (token.expires != WallTime{}) out["expires"] = to_rfc3339(token.expires);
    if (!token.failure.empty()) out["failure"] = shown_text(token.failure);
    if (token.is_pending) out["pending"] = true;
    out["good"] = token.is_good(system_clock().wall());
    if (!token.renewal.empty()) out["renewal"] = token.renewal;
    return out;
}

json person_to_json(const approve::Person& person) {
    json groups = json::array();
    for (const auto& group : person.groups) groups.push_back(shown_text(group));
    json out = {{"name", shown_text(person.name)},
                {"groups", groups},
                {"issuer", shown_text(person.issuer)},
                {"subject", shown_text(person.subject)}};
    if (person.own_uid) out["own_uid"] = *person.own_uid;
    return out;
}

void add_login_requests(control::Server& server, LoginRequests deps) {
    auto shared = std::shared_ptr<LoginHandlers>(new LoginHandlers{std::move(deps), {}, {}});
    server.handle("token.bind", [shared](const Peer& peer, const json& request, const Emit&) {
        return bind_given(*shared, peer, request);
    });
    server.handle("login", [shared](const Peer& peer, const json& request, const Emit& emit) {
        return log_in(*shared, peer, request, emit);
    });
    server.handle("login.refresh",
                  [shared](const Peer& peer, const json& request, const Emit&) { return refresh(*shared, peer, request); });
}

}  // namespace assent::app

#include "app/suspend_requests.h"

#include <algorithm>
#include <memory>

#include "app/view_rights.h"
#include "base/json_writer.h"
#include "base/limits.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using nlohmann::json;

constexpr std::size_t agent_name_size = 1000;

struct Asked {
    std::string agent;
    std::string reason;
};

Result<Asked> read(const SuspendRequests& deps, const Peer& peer, const json& request) {
    if (!may_decide_here(peer, deps.decide()))
        return fail(Errc::denied,
                    "agents are suspended and resumed by root and by the people in `decide` of this host's settings");
    Asked asked{request.at("agent").get<std::string>(), request.value("reason", "")};
    if (asked.agent.empty() || asked.agent.size() > agent_name_size)
        return fail(Errc::invalid, "name an agent; `assent sessions` lists those that are connected");
    if (asked.reason.size() > limits::hold_reason) return fail(Errc::limit, "the reason is too long");
    return asked;
}

Result<> record(const SuspendRequests& deps, const Peer& peer, std::string_view type, const Asked& asked) {
    std::string members;
    JsonWriter writer(members);
    writer.member("agent", asked.agent).member("automatic", false);
    add_peer(writer, peer).member("reason", asked.reason);
    return deps.record({type, {}, members, {}, true});
}

Result<json> suspend(const SuspendRequests& deps, const Peer& peer, const json& request) {
    const auto asked = read(deps, peer, request);
    if (!asked) return std::unexpected(asked.error());
    if (auto recorded = record(deps, peer, model::record_type::agent_suspended, *asked); !recorded)
        return std::unexpected(std::move(recorded.error()));
    const approve::Suspension made{asked->agent, peer.person.name, asked->reason, deps.clock.wall()};
    if (auto done = deps.suspensions.suspend(made); !done) return std::unexpected(std::move(done.error()));
    deps.tell(made);
    return json{{"agent", asked->agent}};
}

Result<json> resume(const SuspendRequests& deps, const Peer& peer, const json& request) {
    const auto asked = read(deps, peer, request);
    if (!asked) return std::unexpected(asked.error());
    const auto list = deps.suspensions.list();
    if (std::ranges::find(list, asked->agent, &approve::Suspension::agent) == list.end())
        return fail(Errc::not_found, "no agent '" + asked->agent + "' is suspended; `assent status` lists them");
    if (auto recorded = record(deps, peer, model::record_type::agent_resumed, *asked); !recorded)
        return std::unexpected(std::move(recorded.error()));
    auto done = deps.suspensions.resume(asked->agent);
    if (!done) return std::unexpected(std::move(done.error()));
    return json{{"agent", asked->agent}};
}

}  // namespace

void add_suspend_requests(control::Server& server, SuspendRequests deps) {
    const auto shared = std::make_shared<const SuspendRequests>(std::move(deps));
    server.handle("suspend",
                  [shared](const Peer& peer, const json& request, const Emit&) { return suspend(*shared, peer, request); });
    server.handle("resume",
                  [shared](const Peer& peer, const json& request, const Emit&) { return resume(*shared, peer, request); });
}

}  // namespace assent::app

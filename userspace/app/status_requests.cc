#include "app/status_requests.h"

#include "app/view_rights.h"
#include "base/json_writer.h"
#include "base/limits.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using nlohmann::json;

Result<json> end_session(const StatusSource& source, const Peer& peer, const json& request) {
    if (!may_decide_here(peer, source.decide())) {
        return fail(Errc::denied, "sessions are ended by root and by the people in `decide` of this host's settings");
    }
    const auto session = request.at("session").get<std::string>();
    const std::string reason = request.value("reason", "");
    if (session.empty()) return fail(Errc::invalid, "name a session; `assent sessions` lists them");
    if (reason.size() > limits::hold_reason) return fail(Errc::limit, "the reason is too long");
    std::string members;
    JsonWriter writer(members);
    writer.member("what", "end").member("ends", session);
    add_peer(writer, peer).member("reason", reason);
    auto recorded = source.record({model::record_type::administered, {}, members, {}, true});
    if (!recorded) return std::unexpected(std::move(recorded.error()));
    auto ended = source.end_session(session, peer.person.name, reason);
    if (!ended) return std::unexpected(std::move(ended.error()));
    return json{{"session", *ended}};
}

}  // namespace

void add_status_requests(control::Server& server, StatusSource source) {
    const auto shared = std::make_shared<const StatusSource>(std::move(source));
    server.handle("status", [shared](const Peer& peer, const json&, const Emit&) -> Result<json> {
        if (peer.person.is_governed) return fail(Errc::denied, "agents ask `assent whoami`");
        // Whoever came by a token may be anybody whom the provider knows.
        if (!peer.person.issuer.empty() && !may_view(peer, shared->decide()))
            return fail(Errc::denied, "the status is shown to the people in `decide` and `view` of this host's settings");
        // Monitoring of the host asks it all day; whoever came by a token is a person or program with a name.
        if (!peer.person.issuer.empty()) {
            if (auto looked = record_look(shared->record, peer, "status"); !looked)
                return std::unexpected(std::move(looked.error()));
        }
        return shared->describe();
    });
    server.handle(
        "end", [shared](const Peer& peer, const json& request, const Emit&) { return end_session(*shared, peer, request); });
}

}  // namespace assent::app

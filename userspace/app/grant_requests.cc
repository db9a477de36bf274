#include "app/grant_requests.h"

#include <memory>

#include "app/hold_view.h"
#include "app/view_rights.h"
#include "base/json_writer.h"

namespace assent::app {
namespace {

using approve::Grant;
using control::Emit;
using control::Peer;
using nlohmann::json;

Result<json> list(const GrantRequests& deps, const Peer& peer, const json& request, const Emit& emit) {
    if (!may_view(peer, deps.decide()))
        return fail(Errc::denied,
                    "approvals are shown to root and to the people in `decide` and `view` of this host's settings");
    if (auto looked = record_look(deps.record, peer, "approvals"); !looked)
        return std::unexpected(std::move(looked.error()));
    const bool shows_all = request.value("all", false);
    std::size_t count = 0;
    for (const Grant& grant : deps.desk.grants(false)) {
        const json shown = grant_to_json(grant, deps.clock.wall());
        if (!shows_all && shown["state"] != "in force" && !grant.needs_review()) continue;
        if (!emit({{"approval", shown}})) return json();
        ++count;
    }
    return json{{"count", count}};
}

Result<json> revoke(const GrantRequests& deps, const Peer& peer, const json& request, const Emit&) {
    if (!may_decide_here(peer, deps.decide()))
        return fail(Errc::denied, "approvals are revoked by root and by the people in `decide` of this host's settings");
    const std::string reason = request.value("reason", "");
    const auto witness = [&](const Grant& after) {
        std::string members;
        JsonWriter writer(members);
        writer.member("grant", after.id).member("grant_kind", name_of(after.kind)).member("agent", after.agent);
        writer.member("target", after.target).member("used", after.used);
        add_peer(writer, peer).member("reason", reason);
        return deps.record({model::record_type::grant_revoked, {}, members, {}, true});
    };
    auto revoked = deps.desk.revoke(request.at("id").get<std::string>(), peer.person.name, reason, witness);
    if (!revoked) return std::unexpected(std::move(revoked.error()));
    deps.end_under(revoked->id, peer.person.name, reason);
    return grant_to_json(*revoked, deps.clock.wall());
}

Result<json> review(const GrantRequests& deps, const Peer& peer, const json& request, const Emit&) {
    const bool may_review = !peer.person.is_governed && approve::is_decider(peer.person, deps.decide());
    if (!may_review) return fail(Errc::denied, "broken glass is reviewed by the people in `decide` of this host's settings");
    const std::string text = request.value("reason", "");
    const auto witness = [&](const Grant& after) {
        std::string members;
        JsonWriter writer(members);
        writer.member("grant", after.id).member("agent", after.agent).member("target", after.target);
        writer.member("used", after.used).member("given_by", after.given_by);
        add_peer(writer, peer).member("review", text);
        return deps.record({model::record_type::glass_reviewed, {}, members, {}, true});
    };
    auto reviewed = deps.desk.review(request.at("id").get<std::string>(), peer.person, text, witness);
    if (!reviewed) return std::unexpected(std::move(reviewed.error()));
    return grant_to_json(*reviewed, deps.clock.wall());
}

}  // namespace

void add_grant_requests(control::Server& server, GrantRequests deps) {
    const auto shared = std::make_shared<const GrantRequests>(std::move(deps));
    using Answer = Result<json> (*)(const GrantRequests&, const Peer&, const json&, const Emit&);
    for (const auto& [verb, answer] :
         {std::pair<const char*, Answer>{"approvals", list}, {"revoke", revoke}, {"review", review}}) {
        server.handle(verb, [shared, reply = answer](const Peer& peer, const json& request, const Emit& emit) {
            return reply(*shared, peer, request, emit);
        });
    }
}

}  // namespace assent::app

#include "app/api_tokens.h"
#include "app/view_rights.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using nlohmann::json;

Result<> may_manage(const Peer& peer) {
    if (is_host_root(peer)) return {};
    return fail(Errc::denied, "tokens are made, listed and revoked by root of this host");
}

Result<> record_change(const DurableRecord& record, const Peer& peer, std::string_view what, const json& token) {
    std::string members;
    JsonWriter writer(members);
    writer.member("what", what).member("token", token.value("id", "")).member("token_name", token.value("name", ""));
    writer.strings("scopes", token.value("scopes", std::vector<std::string>()));
    add_peer(writer, peer);
    return record({model::record_type::administered, {}, members, {}, true});
}

Result<json> create(ApiTokens& tokens, const DurableRecord& record, const Peer& peer, const json& request) {
    if (auto allowed = may_manage(peer); !allowed) return std::unexpected(std::move(allowed.error()));
    ApiTokens::Wish wish;
    wish.name = request.at("name");
    wish.scopes = request.at("scopes").get<std::vector<std::string>>();
    wish.made_by = peer.person.name;
    wish.lifetime = std::chrono::seconds(request.value("lifetime_s", std::int64_t{0}));
    auto made = tokens.create(wish);
    if (!made) return made;
    if (auto recorded = record_change(record, peer, "token.create", *made); !recorded) {
        // Nobody has seen it: it must not stay.
        if (auto revoked = tokens.revoke(made->at("id").get<std::string>()); !revoked) return revoked;
        return std::unexpected(std::move(recorded.error()));
    }
    return made;
}

Result<json> revoke(ApiTokens& tokens, const DurableRecord& record, const Peer& peer, const json& request) {
    if (auto allowed = may_manage(peer); !allowed) return std::unexpected(std::move(allowed.error()));
    auto revoked = tokens.revoke(request.at("which").get<std::string>());
    if (!revoked) return revoked;
    // Revoking closes: it is done also while nothing can be recorded, and then said.
    if (auto recorded = record_change(record, peer, "token.revoke", *revoked); !recorded)
        (*revoked)["unrecorded"] = recorded.error().message;
    return revoked;
}

}  // namespace

void add_token_requests(control::Server& server, ApiTokens& tokens, DurableRecord record) {
    server.handle("token.create", [&tokens, record](const Peer& peer, const json& request, const Emit&) {
        return create(tokens, record, peer, request);
    });
    server.handle("token.list", [&tokens](const Peer& peer, const json&, const Emit&) -> Result<json> {
        if (auto allowed = may_manage(peer); !allowed) return std::unexpected(std::move(allowed.error()));
        return json{{"tokens", tokens.list()}};
    });
    server.handle("token.revoke", [&tokens, record](const Peer& peer, const json& request, const Emit&) {
        return revoke(tokens, record, peer, request);
    });
}

}  // namespace assent::app

#include "app/view_rights.h"

namespace assent::app {

bool is_host_root(const control::Peer& peer) noexcept {
    return peer.uid == 0 && peer.person.issuer.empty() && peer.person.scopes.empty() && !peer.person.is_governed;
}

bool may_decide_here(const control::Peer& peer, const DecideLists& lists) {
    if (peer.person.is_governed) return false;
    // Whether a token for automation may ask this verb was judged before (api_tokens.h).
    if (!peer.person.scopes.empty()) return true;
    return is_host_root(peer) || approve::is_decider(peer.person, lists);
}

bool may_view(const control::Peer& peer, const DecideLists& lists) {
    if (may_decide_here(peer, lists)) return true;
    return !peer.person.is_governed &&
           approve::is_decider(peer.person, {lists.view_users, lists.view_groups, lists.reviewing});
}

JsonWriter& add_peer(JsonWriter& members, const control::Peer& peer) {
    members.member("person", peer.person.name).member("uid", peer.uid).member("login_uid", peer.person.login_uid);
    // Of a token: who it is for ever, whatever their name becomes.
    if (!peer.person.issuer.empty()) members.member("issuer", peer.person.issuer).member("subject", peer.person.subject);
    return members;
}

Result<> record_look(const DurableRecord& record, const control::Peer& peer, std::string_view what, std::string_view about) {
    std::string members;
    JsonWriter writer(members);
    writer.member("what", what);
    add_peer(writer, peer);
    if (!about.empty()) members.append(",").append(about);
    return record({model::record_type::looked, {}, members, {}, true});
}

}  // namespace assent::app

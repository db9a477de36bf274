#include "app/hold_requests.h"

#include <memory>

#include "app/hold_view.h"
#include "app/hold_watch.h"
#include "app/view_rights.h"
#include "base/json_writer.h"
#include "base/limits.h"

namespace assent::app {
namespace {

using approve::Hold;
using control::Emit;
using control::Peer;
using nlohmann::json;

constexpr std::chrono::milliseconds look_every(1000);  // whether the peer is still there

// What the handlers share; each of them keeps it alive.
struct Shared {
    HoldRequests deps;
    HoldWatch watch;

    [[nodiscard]] json shown(const Hold& hold, Detail detail) const { return hold_to_json(hold, detail, deps.clock.wall()); }
};

[[nodiscard]] bool is_own(const Hold& hold, const Peer& peer) {
    return hold.request.cgroup_id == peer.cgroup_id && hold.request.agent_uid == peer.uid;
}

// Which holds a peer may see.
enum class Sight { none, own, all };

Sight sight_of(const Shared& shared, const Peer& peer) {
    if (peer.person.is_governed) return Sight::own;
    return may_view(peer, shared.deps.decide()) ? Sight::all : Sight::none;
}

bool may_see(Sight sight, const Hold& hold, const Peer& peer) {
    return sight == Sight::all || (sight == Sight::own && is_own(hold, peer));
}

std::unexpected<Error> may_not_see() {
    return fail(Errc::denied, "holds are shown to root and to the people in `decide` and `view` of this host's settings");
}

// An agent asking for its own is no news.
Result<> record_look(const Shared& shared, const Peer& peer, std::string_view what) {
    if (peer.person.is_governed) return {};
    return app::record_look(shared.deps.record, peer, what);
}

// Errc::not_found also for what the peer may not see: ids are not to be tried out.
Result<Hold> find_for(const Shared& shared, const Peer& peer, const json& request) {
    const Sight sight = sight_of(shared, peer);
    if (sight == Sight::none) return may_not_see();
    const auto id = request.at("id").get<std::string>();
    auto hold = shared.deps.desk.find(id);
    if (hold && !may_see(sight, *hold, peer)) return fail(Errc::not_found, "there is no such hold of this agent");
    return hold;
}

std::string_view event_of(const HoldChange& change) {
    using enum model::HoldState;
    switch (change.state) {
        case waiting:
            return change.is_answered ? "decided" : "opened";
        case approved:
        case denied:
            return "decided";
        default:
            return "ended";
    }
}

Result<json> watch_holds(Shared& shared, const Peer& peer, Sight sight, Detail detail, const Emit& emit,
                         HoldWatch::Watcher& watcher) {
    std::size_t count = 0;
    while (emit(json())) {
        if (watcher.is_behind()) return fail(Errc::limit, "too many changes were not read in time; watch again");
        const auto change = watcher.next(look_every);
        if (!change) continue;
        const auto hold = shared.deps.desk.find(change->id);
        if (!hold || !may_see(sight, *hold, peer)) continue;
        ++count;
        if (!emit({{"event", event_of(*change)}, {"hold", shared.shown(*hold, detail)}})) break;
    }
    return json{{"count", count}};
}

Result<json> list_holds(Shared& shared, const Peer& peer, const json& request, const Emit& emit) {
    const Sight sight = sight_of(shared, peer);
    if (sight == Sight::none) return may_not_see();
    if (auto recorded = record_look(shared, peer, "holds"); !recorded) return std::unexpected(std::move(recorded.error()));
    const Detail detail = request.value("brief", false) ? Detail::brief : Detail::whole;
    const bool is_watch = request.value("watch", false);
    // Before the list is made, so that nothing falls between.
    std::optional<HoldWatch::Watcher> watcher;
    if (is_watch) watcher.emplace(shared.watch);
    std::size_t count = 0;
    // An agent is not let through all that the host has ever held to find its own.
    const bool only_waiting = sight == Sight::own || !request.value("all", false);
    for (const Hold& hold : shared.deps.desk.list(only_waiting, limits::holds_listed)) {
        if (!may_see(sight, hold, peer)) continue;
        if (!emit({{"hold", shared.shown(hold, detail)}})) return json();
        ++count;
    }
    if (!is_watch) return json{{"count", count}};
    if (!emit({{"event", "listed"}, {"count", count}})) return json();
    return watch_holds(shared, peer, sight, detail, emit, *watcher);
}

Result<json> show_hold(Shared& shared, const Peer& peer, const json& request, const Emit& /*emit*/) {
    auto hold = find_for(shared, peer, request);
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (auto recorded = record_look(shared, peer, "hold " + hold->status.id); !recorded) {
        return std::unexpected(std::move(recorded.error()));
    }
    return shared.shown(*hold, Detail::whole);
}

Result<json> wait_for_hold(Shared& shared, const Peer& peer, const json& request, const Emit& emit) {
    HoldWatch::Watcher watcher(shared.watch);
    auto hold = find_for(shared, peer, request);
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (auto recorded = record_look(shared, peer, "wait " + hold->status.id); !recorded) {
        return std::unexpected(std::move(recorded.error()));
    }
    while (hold->status.state == model::HoldState::waiting) {
        if (!emit(json())) return json();
        const auto change = watcher.next(look_every);
        if (watcher.is_behind()) return fail(Errc::limit, "too many changes were not read in time; wait again");
        if (change && change->id == hold->status.id) hold = find_for(shared, peer, request);
        if (!hold) return std::unexpected(std::move(hold.error()));
    }
    return shared.shown(*hold, Detail::brief);
}

// Durable before the decision counts.
Result<> record_decision(const Shared& shared, const Peer& peer, const Hold& after, bool approves, std::string_view reason) {
    std::vector<std::string> approvals;
    bool is_runner = false;
    for (const auto& act : after.acts) {
        if (act.approves != approves || act.person != peer.person.name) continue;
        approvals.push_back(act.approval);
        is_runner = is_runner || act.is_runner;
    }
    std::string members;
    JsonWriter writer(members);
    writer.member("hold", after.status.id)
        .member("state", name_of(after.status.state))
        .member("approves", approves)
        .strings("approvals", approvals)
        .member("digest", to_hex(after.request.digest));
    add_peer(writer, peer).member("is_runner", is_runner).member("reason", reason);
    return shared.deps.record({model::record_type::hold_decided, after.request.session, members, {}, true});
}

Result<json> decide_hold(Shared& shared, const Peer& peer, const json& request, bool approves) {
    auto hold = find_for(shared, peer, request);
    if (!hold) return std::unexpected(std::move(hold.error()));
    const std::string reason = request.value("reason", "");
    const DecideLists decide = shared.deps.decide();
    if (auto allowed = approve::may_decide(*hold, peer.person, decide.users, decide.groups); !allowed) {
        return std::unexpected(std::move(allowed.error()));
    }
    const auto witness = [&](const Hold& after) { return record_decision(shared, peer, after, approves, reason); };
    auto decided = shared.deps.desk.decide(hold->status.id, peer.person, approves, reason, witness);
    if (!decided) return std::unexpected(std::move(decided.error()));
    auto after = shared.deps.desk.find(decided->id);
    if (!after) return std::unexpected(std::move(after.error()));
    return shared.shown(*after, Detail::whole);
}

}  // namespace

void add_hold_requests(control::Server& server, HoldRequests deps) {
    auto shared = std::shared_ptr<Shared>(new Shared{std::move(deps), {}});
    shared->deps.desk.on_change([shared](const Hold& hold) { shared->watch.put(hold); });
    const auto handle = [&](const char* verb, auto handler) {
        server.handle(verb, [shared, handler](const Peer& peer, const json& request, const Emit& emit) {
            return handler(*shared, peer, request, emit);
        });
    };
    handle("holds", list_holds);
    handle("hold", show_hold);
    handle("wait", wait_for_hold);
    handle("approve", [](Shared& with, const Peer& peer, const json& request, const Emit&) {
        return decide_hold(with, peer, request, true);
    });
    handle("deny", [](Shared& with, const Peer& peer, const json& request, const Emit&) {
        return decide_hold(with, peer, request, false);
    });
}

}  // namespace assent::app

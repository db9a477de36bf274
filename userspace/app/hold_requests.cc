#include "app/hold_requests.h"

#include <algorithm>
#include <map>
#include <memory>

#include <spdlog/spdlog.h>

#include "app/hold_view.h"
#include "app/hold_watch.h"
#include "app/view_rights.h"
#include "approve/reviewers.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "base/shown_text.h"

namespace assent::app {
namespace {

using approve::Hold;
using control::Emit;
using control::Peer;
using nlohmann::json;

constexpr std::int64_t longest_wait = 30LL * 24 * 3600;  // seconds
constexpr std::size_t group_ids = 100;                   // shown of a group
constexpr std::size_t group_text = 400;

// For how long the glass would be broken by giving these; nothing: by none of them.
std::optional<std::chrono::seconds> glass_of(const Hold& hold, const std::vector<approve::Seat>& seats) {
    std::optional<std::chrono::seconds> lasts;
    for (const auto& seat : seats) {
        const auto& glass = hold.request.approvals[seat.approval].break_glass;
        if (glass && (!lasts || *glass < *lasts)) lasts = glass;
    }
    return lasts;
}

// What the handlers share; each of them keeps it alive.
struct HoldHandlers {
    HoldRequests deps;
    HoldWatch watch;

    // Whoever may answer some holds is told with each of them what they may; each answer is judged again when it comes.
    [[nodiscard]] json shown(const Hold& hold, const Peer& peer, Detail detail) const {
        json out = hold_to_json(hold, detail, deps.clock.wall());
        if (peer.person.is_governed || hold.status.state != model::HoldState::waiting) return out;
        if (peer.person.scopes.empty()) out["may"] = answers_of(hold, peer.person);
        if (const auto why = deps.why_suspended(hold.request.agent, hold.request.agent_sets); !why.empty())
            out["agent_suspended"] = shown_text(why);
        return out;
    }

private:
    [[nodiscard]] json answers_of(const Hold& hold, const approve::Person& person) const {
        const DecideLists lists = deps.decide();
        auto allowed = approve::may_decide(hold, person, lists);
        const bool may_deny = allowed.has_value();
        json out{{"approve", false}, {"deny", may_deny}};
        if (may_deny) {
            const auto seats = approve::seats_of(hold, person, true, lists.reviewing);
            out["approve"] = seats.has_value();
            if (!seats) allowed = std::unexpected(seats.error());
            if (const auto lasts = seats ? glass_of(hold, *seats) : std::nullopt) out["break_glass_s"] = lasts->count();
        }
        if (!allowed) out["why"] = shown_text(allowed.error().message);
        return out;
    }
};

[[nodiscard]] bool is_own(const Hold& hold, const Peer& peer) {
    return hold.request.cgroup_id == peer.cgroup_id && hold.request.agent_uid == peer.uid;
}

// Which holds a peer may see: an agent its own, whoever may answer those that they review.
enum class Sight { none, own, reviewed, all };

Sight sight_of(const HoldHandlers& shared, const Peer& peer) {
    if (peer.person.is_governed) return Sight::own;
    const DecideLists lists = shared.deps.decide();
    if (may_view(peer, lists)) return Sight::all;
    return approve::may_answer(peer.person, lists) ? Sight::reviewed : Sight::none;
}

bool may_see(const HoldHandlers& shared, Sight sight, const Hold& hold, const Peer& peer) {
    switch (sight) {
        case Sight::none:
            return false;
        case Sight::own:
            return is_own(hold, peer);
        case Sight::reviewed:
            return approve::may_decide(hold, peer.person, shared.deps.decide()).has_value();
        case Sight::all:
            return true;
    }
    return false;
}

std::unexpected<Error> may_not_see() {
    return fail(Errc::denied,
                "holds are shown to root, to the people in `decide` and `view` of this host's settings, and to those "
                "who may answer them");
}

// Those that wait, by the shape of their statement: many of the same are one thing to look at.
class Groups {
public:
    void add(const Hold& hold) {
        if (hold.status.state != model::HoldState::waiting) return;
        const bool has_shape = hold.request.shape != Digest{};
        auto& group = groups_[has_shape ? to_hex(hold.request.shape) : hold.status.id];
        if (group.is_null()) {
            group = {{"shape", has_shape ? json(to_hex(hold.request.shape)) : json()},
                     {"agent", shown_text(hold.request.agent)},
                     {"target", shown_text(hold.request.target)},
                     {"rules", hold.request.rules},
                     {"text", shown_text(hold.request.text.substr(0, group_text), Lines::many)},
                     {"count", 0},
                     {"ids", json::array()}};
            order_.push_back(&group);
        }
        group["count"] = group["count"].get<std::size_t>() + 1;
        if (group["ids"].size() < group_ids) group["ids"].push_back(hold.status.id);
    }
    // In the order in which their first ones came.
    [[nodiscard]] json to_json() const {
        json out = json::array();
        for (const json* group : order_) out.push_back(*group);
        return out;
    }

private:
    std::map<std::string, json> groups_;
    std::vector<const json*> order_;
};

// An agent asking for its own is no news.
Result<> record_look(const HoldHandlers& shared, const Peer& peer, std::string_view what) {
    if (peer.person.is_governed) return {};
    return app::record_look(shared.deps.record, peer, what);
}

// What a peer may not see is as good as not there: ids are not to be tried out.
Result<Hold> find_for(const HoldHandlers& shared, const Peer& peer, const json& request) {
    const Sight sight = sight_of(shared, peer);
    if (sight == Sight::none) return may_not_see();
    auto hold = shared.deps.desk.find(request.at("id").get<std::string>());
    if (sight == Sight::all || (hold && may_see(shared, sight, *hold, peer))) return hold;
    if (sight == Sight::own) return fail(Errc::not_found, "there is no such hold of this agent");
    return fail(Errc::denied,
                "there is no such hold that you may answer: you are a reviewer of none of its approvals, or it is gone");
}

Result<json> watch_holds(HoldHandlers& shared, const Peer& peer, Sight sight, Detail detail, const Emit& emit,
                         HoldWatch::Watcher& watcher) {
    std::size_t count = 0;
    while (emit(json())) {
        if (watcher.is_behind()) return fail(Errc::limit, "too many changes were not read in time; watch again");
        const auto change = watcher.next(control::emit_every);
        if (!change) continue;
        const auto hold = shared.deps.desk.find(change->id);
        if (!hold || !may_see(shared, sight, *hold, peer)) continue;
        ++count;
        if (!emit({{"event", name_of(change->event)}, {"hold", shared.shown(*hold, peer, detail)}})) break;
    }
    return json{{"count", count}};
}

Result<json> list_holds(HoldHandlers& shared, const Peer& peer, const json& request, const Emit& emit) {
    const Sight sight = sight_of(shared, peer);
    if (sight == Sight::none) return may_not_see();
    if (auto recorded = record_look(shared, peer, "holds"); !recorded) return std::unexpected(std::move(recorded.error()));
    const Detail detail = request.value("brief", false) ? Detail::brief : Detail::whole;
    const bool is_watch = request.value("watch", false);
    // Before the list is made, so that nothing falls between.
    std::optional<HoldWatch::Watcher> watcher;
    if (is_watch) watcher.emplace(shared.watch);
    std::size_t count = 0;
    Groups groups;
    // An agent is not let through all that the host has ever held to find its own.
    const bool only_waiting = sight == Sight::own || !request.value("all", false);
    // One at a time: together they may be larger than memory.
    const std::size_t most = only_waiting ? limits::open_holds : limits::holds_listed;
    for (const std::string& id : shared.deps.desk.ids(only_waiting, most)) {
        const auto hold = shared.deps.desk.find(id);
        if (!hold || !may_see(shared, sight, *hold, peer)) continue;
        if (!emit({{"hold", shared.shown(*hold, peer, detail)}})) return json();
        groups.add(*hold);
        ++count;
    }
    if (!is_watch) return json{{"count", count}, {"groups", groups.to_json()}};
    if (!emit({{"event", "listed"}, {"count", count}, {"groups", groups.to_json()}})) return json();
    return watch_holds(shared, peer, sight, detail, emit, *watcher);
}

Result<json> show_hold(HoldHandlers& shared, const Peer& peer, const json& request, const Emit& /*emit*/) {
    auto hold = find_for(shared, peer, request);
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (auto recorded = record_look(shared, peer, "hold " + hold->status.id); !recorded) {
        return std::unexpected(std::move(recorded.error()));
    }
    return shared.shown(*hold, peer, Detail::whole);
}

Result<json> wait_for_hold(HoldHandlers& shared, const Peer& peer, const json& request, const Emit& emit) {
    HoldWatch::Watcher watcher(shared.watch);
    auto hold = find_for(shared, peer, request);
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (auto recorded = record_look(shared, peer, "wait " + hold->status.id); !recorded) {
        return std::unexpected(std::move(recorded.error()));
    }
    const auto timeout =
        std::chrono::seconds(std::clamp<std::int64_t>(request.value("timeout_s", longest_wait), 0, longest_wait));
    const Moment end = shared.deps.clock.now() + timeout;
    while (hold->status.state == model::HoldState::waiting && shared.deps.clock.now() < end) {
        if (!emit(json())) return json();
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - shared.deps.clock.now());
        const auto change = watcher.next(std::min(control::emit_every, left));
        if (watcher.is_behind()) return fail(Errc::limit, "too many changes were not read in time; wait again");
        if (change && change->id == hold->status.id) hold = find_for(shared, peer, request);
        if (!hold) return std::unexpected(std::move(hold.error()));
    }
    return shared.shown(*hold, peer, Detail::brief);
}

void add_grant_members(JsonWriter& writer, const approve::Decision& decision) {
    if (!decision.grant) return;
    const approve::Grant& grant = *decision.grant;
    writer.member("grant", grant.id).member("grant_kind", name_of(grant.kind)).member("until", to_rfc3339(grant.until));
    if (grant.times != 0) writer.member("times", grant.times);
    if (grant.kind == approve::GrantKind::shape) writer.member("shape", to_hex(grant.shape));
    writer.strings("released", decision.released);
}

// Broken glass is a record of its own, and in the journal: nobody shall have to look for it.
Result<> record_glass(const HoldHandlers& shared, const Peer& peer, const approve::Decision& decision) {
    if (!decision.grant || decision.grant->kind != approve::GrantKind::glass) return {};
    const approve::Grant& grant = *decision.grant;
    std::vector<std::string> approvals;
    for (const auto& approval : grant.approvals) approvals.push_back(approval.name);
    std::string members;
    JsonWriter writer(members);
    writer.member("grant", grant.id).member("hold", grant.hold).member("agent", grant.agent).member("target", grant.target);
    writer.member("database", grant.database).member("user", grant.database_user).strings("approvals", approvals);
    writer.member("until", to_rfc3339(grant.until)).member("reason", grant.reason);
    add_peer(writer, peer);
    spdlog::critical("GLASS BROKEN: {} let agent {} through at {} until {}: {}; `assent review {}` is due", grant.given_by,
                     grant.agent, grant.target, to_rfc3339(grant.until), shown_text(grant.reason), grant.id);
    return shared.deps.record({model::record_type::glass_broken, {}, members, {}, true});
}

// Durable before the decision counts.
Result<> record_decision(const HoldHandlers& shared, const Peer& peer, const approve::Decision& decision,
                         const approve::Answer& answer) {
    const Hold& after = decision.hold;
    std::vector<std::string> approvals;
    std::vector<std::string> stages;
    bool is_runner = false;
    for (std::size_t i = decision.first_act; i < after.acts.size(); ++i) {
        const approve::Act& act = after.acts[i];
        approvals.push_back(act.approval);
        stages.push_back(act.approval + "/" + std::to_string(act.stage + 1));
        is_runner = is_runner || act.is_runner;
    }
    std::string members;
    JsonWriter writer(members);
    writer.member("hold", after.status.id)
        .member("state", name_of(after.status.state))
        .member("approves", answer.approves)
        .strings("approvals", approvals)
        .strings("stages", stages)
        .member("digest", to_hex(after.request.digest));
    if (answer.widening) {
        writer.member("widened_s", answer.widening->lasts.count());
        if (answer.widening->times != 0) writer.member("widened_times", answer.widening->times);
    }
    add_grant_members(writer, decision);
    add_peer(writer, peer).member("is_runner", is_runner).member("reason", answer.reason);
    auto recorded = shared.deps.record({model::record_type::hold_decided, after.request.session, members, {}, true});
    if (!recorded) return recorded;
    return record_glass(shared, peer, decision);
}

approve::Answer answer_of(const json& request, bool approves) {
    approve::Answer answer;
    answer.approves = approves;
    answer.reason = request.value("reason", "");
    if (const auto shape = request.find("shape"); shape != request.end() && !shape->is_null()) {
        approve::Widening widening;
        widening.lasts = std::chrono::seconds(shape->at("for_s").get<std::int64_t>());
        widening.times = shape->value("times", 0U);
        answer.widening = widening;
    }
    if (request.contains("most_released")) answer.most_released = request.at("most_released").get<std::size_t>();
    return answer;
}

Result<json> decide_hold(HoldHandlers& shared, const Peer& peer, const json& request, bool approves) {
    auto hold = find_for(shared, peer, request);
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (auto allowed = approve::may_decide(*hold, peer.person, shared.deps.decide()); !allowed)
        return std::unexpected(std::move(allowed.error()));
    const approve::Answer answer = answer_of(request, approves);
    if (request.value("is_trial", false)) {
        if (auto recorded = record_look(shared, peer, "hold " + hold->status.id); !recorded)
            return std::unexpected(std::move(recorded.error()));
        auto released = shared.deps.desk.would_release(hold->status.id);
        if (!released) return std::unexpected(std::move(released.error()));
        json shown = shared.shown(*hold, peer, Detail::whole);
        shown["would_release"] = *released;
        return shown;
    }
    const auto witness = [&](const approve::Decision& after) { return record_decision(shared, peer, after, answer); };
    auto decided = shared.deps.desk.answer(hold->status.id, peer.person, answer, witness);
    if (!decided) return std::unexpected(std::move(decided.error()));
    auto after = shared.deps.desk.find(decided->hold.status.id);
    if (!after) return std::unexpected(std::move(after.error()));
    json shown = shared.shown(*after, peer, Detail::whole);
    shown["released"] = decided->released;
    if (decided->grant) shown["granted"] = grant_to_json(*decided->grant, shared.deps.clock.wall());
    return shown;
}

}  // namespace

void add_hold_requests(control::Server& server, HoldRequests deps) {
    auto shared = std::shared_ptr<HoldHandlers>(new HoldHandlers{std::move(deps), {}});
    shared->deps.desk.on_change([shared](const Hold& hold) { shared->watch.put(hold); });
    const auto handle = [&](const char* verb, auto handler) {
        server.handle(verb, [shared, handler](const Peer& peer, const json& request, const Emit& emit) {
            return handler(*shared, peer, request, emit);
        });
    };
    handle("holds", list_holds);
    handle("hold", show_hold);
    handle("wait", wait_for_hold);
    handle("approve", [](HoldHandlers& with, const Peer& peer, const json& request, const Emit&) {
        return decide_hold(with, peer, request, true);
    });
    handle("deny", [](HoldHandlers& with, const Peer& peer, const json& request, const Emit&) {
        return decide_hold(with, peer, request, false);
    });
}

}  // namespace assent::app

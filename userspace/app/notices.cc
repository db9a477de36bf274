#include "app/notices.h"

#include <algorithm>
#include <memory>

#include "app/hold_view.h"
#include "app/view_rights.h"
#include "approve/chain.h"
#include "base/limits.h"
#include "base/shown_text.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using nlohmann::json;

// What a notice says of a hold: enough to know whether to look at it, and its text cut.
json hold_for_notice(const approve::Hold& hold, WallTime now) {
    json out = hold_to_json(hold, Detail::whole, now);
    json brief = hold_to_json(hold, Detail::brief, now);
    for (const char* member : {"effects", "purpose", "database", "approvals"}) brief[member] = std::move(out[member]);
    return brief;
}

json notice_of(const approve::Hold& hold, std::string_view event, const Clock& clock) {
    return {{"event", event}, {"time", to_rfc3339(clock.wall())}, {"hold", hold_for_notice(hold, clock.wall())}};
}

// Whether its own approval broke the glass; what that released besides has not been given all that it needs.
bool has_broken_glass(const approve::Hold& hold) {
    return hold.status.state == model::HoldState::approved && approve::is_all_given(hold) &&
           std::ranges::any_of(hold.request.approvals,
                               [](const auto& approval) { return approval.break_glass.has_value(); });
}

Result<> may_notify(const NoticeRequests& deps, const Peer& peer) {
    const bool is_notifier = peer.uid == deps.notifier_uid && peer.person.issuer.empty() && !peer.person.is_governed;
    if (is_host_root(peer) || is_notifier) return {};
    return fail(Errc::denied, "notices are for assent-notify and root of this host");
}

Result<json> watch(const NoticeRequests& deps, const Peer& peer, const Emit& emit) {
    if (auto allowed = may_notify(deps, peer); !allowed) return std::unexpected(std::move(allowed.error()));
    if (auto recorded = record_look(deps.record, peer, "notices"); !recorded)
        return std::unexpected(std::move(recorded.error()));
    Notices::Watcher watcher(deps.notices);  // before the list is made, so that nothing falls between
    std::size_t count = 0;
    // One at a time: together they may be larger than memory.
    for (const std::string& id : deps.desk.ids(true, limits::open_holds)) {
        const auto hold = deps.desk.find(id);
        if (!hold || hold->status.state != model::HoldState::waiting) continue;
        if (!emit({{"notice", notice_of(*hold, "opened", deps.clock)}})) return json();
        ++count;
    }
    if (!emit({{"listed", count}})) return json();
    while (emit(json())) {
        const auto notice = watcher.next(control::emit_every);
        if (const auto dropped = watcher.take_dropped(); dropped > 0 && !emit({{"dropped", dropped}})) break;
        if (notice && !emit({{"notice", *notice}})) break;
    }
    return json();
}

Result<json> take_report(const NoticeRequests& deps, const Peer& peer, const json& request) {
    if (auto allowed = may_notify(deps, peer); !allowed) return std::unexpected(std::move(allowed.error()));
    const auto channel = request.at("channel").get<std::string>();
    const bool is_failing = request.at("is_failing").get<bool>();
    const std::string why = request.value("why", "");
    if (channel.empty() || channel.size() > 128 || why.size() > limits::hold_reason)
        return fail(Errc::limit, "what a report says is too long");
    json state{{"channel", channel},
               {"is_failing", is_failing},
               {"why", why},
               {"delivered", request.value("delivered", 0ULL)},
               {"dropped", request.value("dropped", 0ULL)},
               {"time", to_rfc3339(deps.clock.wall())}};
    if (!deps.notices.report(channel, state)) return json::object();
    std::string members;
    JsonWriter writer(members);
    writer.member("what", is_failing ? "notices are not delivered" : "notices are delivered again")
        .member("channel", channel);
    if (!why.empty()) writer.member("why", why);
    if (auto recorded = deps.record({model::record_type::degraded, {}, members, {}, true}); !recorded)
        return std::unexpected(std::move(recorded.error()));
    return json::object();
}

}  // namespace

Notices::Watcher::Watcher(Notices& notices) : notices_(notices) {
    const std::scoped_lock lock(notices_.mutex_);
    notices_.watchers_.push_back(this);
}

Notices::Watcher::~Watcher() {
    const std::scoped_lock lock(notices_.mutex_);
    notices_.watchers_.remove(this);
}

std::optional<json> Notices::Watcher::next(std::chrono::milliseconds wait) {
    std::unique_lock lock(notices_.mutex_);
    changed_.wait_for(lock, wait, [&] { return !queue_.empty(); });
    if (queue_.empty()) return std::nullopt;
    json notice = std::move(queue_.front());
    queue_.pop_front();
    return notice;
}

std::size_t Notices::Watcher::take_dropped() {
    const std::scoped_lock lock(notices_.mutex_);
    return std::exchange(dropped_, 0);
}

void Notices::put(const json& notice) {
    const std::scoped_lock lock(mutex_);
    for (Watcher* watcher : watchers_) {
        if (watcher->queue_.size() >= limits::notice_queue) {
            ++watcher->dropped_;
            continue;
        }
        watcher->queue_.push_back(notice);
        watcher->changed_.notify_one();
    }
}

bool Notices::is_watched() const {
    const std::scoped_lock lock(mutex_);
    return !watchers_.empty();
}

bool Notices::report(const std::string& channel, const json& state) {
    const std::scoped_lock lock(mutex_);
    if (channels_.size() >= limits::notice_channels + 2 && !channels_.contains(channel)) return false;
    json& known = channels_[channel];
    const bool was_failing = known.is_object() && known.value("is_failing", false);
    known = state;
    return was_failing != state.value("is_failing", false);
}

json Notices::describe() const {
    const std::scoped_lock lock(mutex_);
    json channels = json::array();
    for (const auto& [name, state] : channels_) channels.push_back(state);
    return {{"is_watched", !watchers_.empty()}, {"channels", channels}};
}

json notice_of(const approve::Suspension& suspension) {
    return {{"event", "suspended"},
            {"time", to_rfc3339(suspension.since)},
            {"agent", shown_text(suspension.agent)},
            {"by", suspension.by.empty() ? "assent" : shown_text(suspension.by)},
            {"message", shown_text(suspension.reason)}};
}

void add_notice_requests(control::Server& server, NoticeRequests deps) {
    const auto shared = std::make_shared<const NoticeRequests>(std::move(deps));
    shared->desk.on_change([shared](const approve::Hold& hold) {
        if (!shared->notices.is_watched()) return;
        shared->notices.put(notice_of(hold, name_of(approve::last_event(hold)), shared->clock));
        if (!has_broken_glass(hold)) return;
        json notice = notice_of(hold, "broke_glass", shared->clock);
        notice["message"] = shown_text(hold.acts.back().reason);
        shared->notices.put(notice);
    });
    server.handle("notices",
                  [shared](const Peer& peer, const json&, const Emit& emit) { return watch(*shared, peer, emit); });
    server.handle("notices.report", [shared](const Peer& peer, const json& request, const Emit&) {
        return take_report(*shared, peer, request);
    });
}

}  // namespace assent::app

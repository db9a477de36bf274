#include "approve/sqlite_desk.h"

#include <algorithm>

#include "approve/chain.h"
#include "approve/hold_codec.h"
#include "approve/hold_id.h"
#include "base/limits.h"

namespace assent::approve {
namespace {

using model::HoldState;
using model::HoldStatus;

constexpr std::size_t forgotten_at_once = 64;
constexpr std::size_t agents_trimmed_at_once = 16;

bool is_open(HoldState state) { return state == HoldState::waiting || state == HoldState::approved; }

bool is_grant_id(std::string_view id) { return id.starts_with("w-") || id.starts_with("g-"); }

}  // namespace

std::string listed(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
}

std::unexpected<Error> not_waiting(const Hold& hold) {
    std::string message =
        "hold " + hold.status.id + " does not wait any more: it was " + std::string(name_of(hold.status.state));
    if (!hold.status.decided_by.empty()) message += " by " + hold.status.decided_by;
    if (hold.decided != WallTime{}) message += " at " + to_rfc3339(hold.decided);
    return fail(Errc::not_found, std::move(message));
}

std::unexpected<Error> unknown_hold(std::string_view id) {
    return fail(Errc::not_found, "there is no hold " + std::string(id) + "; `assent holds --all` lists them");
}

Result<> SqliteDesk::load() {
    const WallTime oldest = clock_.wall() - limits::ended_holds_kept;
    if (auto done = store_->forget_before(oldest); !done) return done;
    if (auto done = grant_store_.forget_before(oldest); !done) return done;
    // Every one of them, however large: one at a time.
    auto open = store_->open_ids();
    if (!open) return std::unexpected(std::move(open.error()));
    for (const auto& [id, size] : *open) {
        auto hold = store_->find(id);
        if (!hold) return std::unexpected(std::move(hold.error()));
        if (*hold) open_.keep(**hold, size);
    }
    auto sizes = store_->ended_sizes();
    if (!sizes) return std::unexpected(std::move(sizes.error()));
    ended_sizes_ = std::move(*sizes);
    for (const auto& [agent, size] : ended_sizes_) ended_size_ += size;
    auto granted = grant_store_.list(2 * limits::open_grants);
    if (!granted) return std::unexpected(std::move(granted.error()));
    for (Grant& grant : *granted) keep_grant(std::move(grant));
    return {};
}

void SqliteDesk::mark(Hold& hold) const {
    const OpenHold* const open = open_.find(hold.status.id);
    hold.is_agent_connected = open != nullptr && open->connected > 0;
}

void SqliteDesk::changed(Hold hold) {
    mark(hold);
    const OpenHold* const open = open_.find(hold.status.id);
    if (is_open(hold.status.state)) {
        if (open != nullptr) open_.keep(hold, std::nullopt);
    } else if (open != nullptr) {
        ended_sizes_[open->agent] += open->size;
        ended_size_ += open->size;
        open_.remove(hold.status.id);
    }
    announcer_.put(std::move(hold));
}

Result<> SqliteDesk::trim() {
    for (std::size_t i = 0; i < agents_trimmed_at_once; ++i) {
        const auto largest = std::ranges::max_element(ended_sizes_, {}, [](const auto& entry) { return entry.second; });
        if (largest == ended_sizes_.end()) return {};
        const bool is_too_much =
            largest->second > limits::ended_holds_size_per_agent || ended_size_ > limits::ended_holds_size;
        if (!is_too_much) return {};
        auto freed = store_->forget_oldest_of(largest->first, clock_.wall(), forgotten_at_once);
        if (!freed) return std::unexpected(std::move(freed.error()));
        if (*freed == 0) return {};
        ended_size_ -= std::min(ended_size_, *freed);
        largest->second -= std::min(largest->second, *freed);
        if (largest->second == 0) ended_sizes_.erase(largest);
    }
    return {};
}

Result<> SqliteDesk::end(Hold& hold, HoldState state, std::string reason) {
    hold.status.state = state;
    hold.status.reason = std::move(reason);
    hold.decided = clock_.wall();
    if (auto done = store_->update(hold); !done) return done;
    if (state == HoldState::expired) expired_.push_back(hold);
    changed(hold);
    return {};
}

Result<> SqliteDesk::check(const model::HoldRequest& request, std::size_t size) const {
    const bool can_be_given = !request.approvals.empty() && std::ranges::all_of(request.approvals, [](const auto& approval) {
        return !approval.stages.empty();
    });
    if (!can_be_given) return fail(Errc::invalid, "a hold needs an approval that somebody can give");
    if (request.deadline <= std::chrono::seconds::zero()) return fail(Errc::invalid, "a hold needs a deadline");
    if (shown_size(request) > limits::hold_shown_size) {
        return fail(Errc::limit,
                    "the command is too large to be shown whole to a reviewer, so it cannot be approved; split it");
    }
    return open_.has_room(request.agent, size);
}

Result<HoldStatus> SqliteDesk::request_locked(const model::HoldRequest& request) {
    auto latest = store_->latest_of(request.digest);
    if (!latest) return std::unexpected(std::move(latest.error()));
    std::optional<Hold> revoked;
    if (*latest) {
        Hold& hold = **latest;
        const OpenHold* const open = open_.find(hold.status.id);
        if (open != nullptr && open_.is_past_deadline(*open)) {
            if (auto done = expire_one(hold); !done) return std::unexpected(std::move(done.error()));
        } else if (open != nullptr && covers(hold.request.approvals, request.approvals)) {
            const bool is_released = hold.status.state == HoldState::waiting && grant_for(request) != nullptr;
            if (!is_released) return hold.status;
            if (auto done = end(hold, HoldState::cancelled, "a wider approval lets it through"); !done)
                return std::unexpected(std::move(done.error()));
        } else if (open != nullptr) {
            revoked = std::move(hold);
        } else if (hold.status.state == HoldState::denied && clock_.wall() < hold.status.deadline) {
            return hold.status;
        }
    }
    if (const Grant* grant = grant_for(request); grant != nullptr && !revoked) {
        HoldStatus status;
        status.id = grant->id;
        status.state = HoldState::approved;
        status.deadline = grant->until;
        status.decided_by = grant->given_by;
        status.reason = grant->reason;
        status.grant = grant->id;
        return status;
    }
    return open_hold(request, revoked);
}

Result<std::string> SqliteDesk::free_id() const {
    constexpr int tries = 100;
    for (int i = 0; i < tries; ++i) {
        std::string id = make_hold_id();
        auto taken = store_->find(id);
        if (!taken) return std::unexpected(std::move(taken.error()));
        if (!*taken) return id;
    }
    return fail(Errc::internal, "no free id for a hold");
}

Result<HoldStatus> SqliteDesk::open_hold(const model::HoldRequest& request, const std::optional<Hold>& revoked) {
    const ByteVector stored = encode_request(request);
    if (auto allowed = check(request, stored.size()); !allowed) return std::unexpected(std::move(allowed.error()));
    auto id = free_id();
    if (!id) return std::unexpected(std::move(id.error()));
    Hold hold;
    hold.request = request;
    hold.opened = clock_.wall();
    hold.status.id = std::move(*id);
    hold.status.deadline = hold.opened + request.deadline;

    auto transaction = store_->begin();
    if (!transaction) return std::unexpected(std::move(transaction.error()));
    Hold old = revoked.value_or(Hold{});
    if (revoked) {
        old.status.state = HoldState::revoked;
        old.status.reason = "the policy asks for other approvals now";
        old.decided = hold.opened;
        if (auto done = store_->update(old); !done) return std::unexpected(std::move(done.error()));
    }
    if (auto done = store_->insert(hold, stored); !done) return std::unexpected(std::move(done.error()));
    if (auto done = (*transaction)->commit(); !done) return std::unexpected(std::move(done.error()));
    if (revoked) changed(std::move(old));
    open_.keep(hold, stored.size());
    changed(hold);
    HoldStatus status = hold.status;
    status.is_new = true;
    return status;
}

Result<bool> SqliteDesk::use_locked(std::string_view id) {
    if (is_grant_id(id)) return use_grant(id);
    const OpenHold* const open = open_.find(id);
    if (open == nullptr || open->state != HoldState::approved) return false;
    auto hold = store_->find(id);
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (!*hold) return false;
    const bool is_over = open_.is_past_deadline(*open);
    const auto grant = grants_.find((*hold)->status.grant);
    const bool has_lost_its_grant =
        !(*hold)->status.grant.empty() && (grant == grants_.end() || !is_in_force(grant->second.grant, grant->second.until));
    if (is_over || has_lost_its_grant) {
        if (auto done = is_over ? expire_one(**hold) : end(**hold, HoldState::expired, "what released it has ended"); !done)
            return std::unexpected(std::move(done.error()));
        return false;
    }
    // decided stays: who approved it, and when.
    (*hold)->status.state = HoldState::used;
    if (auto done = store_->update(**hold); !done) return std::unexpected(std::move(done.error()));
    changed(std::move(**hold));
    return true;
}

Result<> SqliteDesk::cancel_locked(std::string_view id) {
    if (is_grant_id(id)) return {};
    const OpenHold* const open = open_.find(id);
    if (open != nullptr && open->connected > 0) return {};
    auto hold = store_->find(id);
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (!*hold) return unknown_hold(id);
    if (open == nullptr) return {};
    return end(**hold, HoldState::cancelled, "the agent took the command back");
}

void SqliteDesk::set_connected(std::string_view id, bool is_connected) {
    const std::scoped_lock lock(mutex_);
    OpenHold* const open = open_.find(id);
    if (open == nullptr) return;
    if (is_connected) {
        ++open->connected;
    } else if (open->connected > 0) {
        --open->connected;
    }
}

std::vector<Hold> SqliteDesk::expire_locked() {
    for (const auto& id : open_.past_deadline()) {
        // What the database cannot take now stays open here and is tried again; nothing that is past its deadline is used.
        auto hold = store_->find(id);
        if (hold && *hold) static_cast<void>(expire_one(**hold).has_value());
    }
    for (auto& [id, kept] : grants_) {
        if (kept.is_used_stored) continue;
        kept.is_used_stored = grant_store_.update(kept.grant).has_value();
    }
    return std::exchange(expired_, {});
}

Result<> SqliteDesk::expire_one(Hold& hold) {
    const bool was_approved = hold.status.state == HoldState::approved;
    return end(hold, HoldState::expired,
               was_approved ? "approved, but not used before the deadline" : "nobody answered before the deadline");
}

std::vector<Hold> SqliteDesk::escalate_locked() {
    for (const auto& id : open_.due_to_escalate()) {
        auto hold = store_->find(id);
        if (hold && *hold) static_cast<void>(escalate_one(**hold).has_value());
    }
    return std::exchange(escalated_, {});
}

Result<> SqliteDesk::escalate_one(Hold& hold) {
    // One time after the other: several may have passed since somebody looked.
    for (bool is_due = true; is_due;) {
        const OpenHold* const open = open_.find(hold.status.id);
        if (open == nullptr || !open->escalates || !is_past(clock_, *open->escalates, open->escalates_until)) return {};
        const WallTime due = *open->escalates;
        is_due = false;
        for (const auto& approval : hold.request.approvals) {
            const auto at = escalates_at(hold, approval);
            if (!at || *at > due) continue;
            const Escalated escalated{approval.name, current_stage(hold, approval), clock_.wall()};
            if (auto done = store_->add_escalation(hold.status.id, escalated); !done) return done;
            hold.escalated.push_back(escalated);
            escalated_.push_back(hold);
            is_due = true;
        }
        changed(hold);
    }
    return {};
}

Result<std::vector<Hold>> SqliteDesk::unrecorded_ends() const {
    const std::scoped_lock lock(mutex_);
    return store_->list(HoldStore::Which::unrecorded, limits::open_holds);
}

Result<Hold> SqliteDesk::find(std::string_view id_or_prefix) const {
    const auto id = normal_hold_id(id_or_prefix);
    if (!id) return unknown_hold(id_or_prefix);
    const std::scoped_lock lock(mutex_);
    auto ids = store_->ids_beginning(*id);
    if (!ids) return std::unexpected(std::move(ids.error()));
    if (ids->empty()) return unknown_hold(id_or_prefix);
    if (ids->size() > 1) return fail(Errc::invalid, "several holds begin with " + *id + "; write more of the id");
    auto hold = store_->find(ids->front());
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (!*hold) return unknown_hold(id_or_prefix);
    mark(**hold);
    return std::move(**hold);
}

std::vector<std::string> SqliteDesk::ids(bool only_waiting, std::size_t limit) const {
    const std::scoped_lock lock(mutex_);
    return store_->ids(only_waiting, limit).value_or(std::vector<std::string>());
}

std::vector<Hold> SqliteDesk::list(bool only_waiting, std::size_t limit) const {
    const std::scoped_lock lock(mutex_);
    auto holds = store_->list(only_waiting ? HoldStore::Which::waiting : HoldStore::Which::all, limit);
    if (!holds) return {};
    for (Hold& hold : *holds) mark(hold);
    return std::move(*holds);
}

Result<std::unique_ptr<Desk>> Desk::open(const std::filesystem::path& file, const Clock& clock, DeskOptions options) {
    auto store = HoldStore::open(file);
    if (!store) return std::unexpected(std::move(store.error()));
    auto desk = std::make_unique<SqliteDesk>(std::move(*store), clock, options);
    if (auto loaded = desk->load(); !loaded) return std::unexpected(std::move(loaded.error()));
    return desk;
}

}  // namespace assent::approve

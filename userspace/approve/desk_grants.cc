// What goes beyond one command: grants, and what keeps agents from wearing people out.
#include <algorithm>

#include "approve/chain.h"
#include "approve/hold_id.h"
#include "approve/sqlite_desk.h"
#include "base/limits.h"

namespace assent::approve {
namespace {

using model::HoldState;

constexpr std::size_t grant_text = 400;  // bytes of the command that people see in a list

bool is_for(const Grant& grant, const model::HoldRequest& request) {
    if (grant.agent != request.agent || grant.agent_uid != request.agent_uid || grant.target != request.target ||
        grant.database != request.database || grant.database_user != request.database_user)
        return false;
    const bool is_same_shape =
        request.shape != Digest{} && grant.shape == request.shape && grant.runner_uid == request.runner_uid;
    if (grant.kind == GrantKind::shape && !is_same_shape) return false;
    return covers(grant.approvals, request.approvals);
}

Grant grant_about(const Hold& hold) {
    Grant grant;
    grant.hold = hold.status.id;
    grant.agent = hold.request.agent;
    grant.agent_uid = hold.request.agent_uid;
    grant.runner_uid = hold.request.runner_uid;
    grant.target = hold.request.target;
    grant.database = hold.request.database;
    grant.database_user = hold.request.database_user;
    grant.text = hold.request.text.substr(0, grant_text);
    grant.given_by = hold.status.decided_by;
    for (const Act& act : hold.acts) grant.givers.push_back({act.issuer, act.subject, act.login_uid});
    grant.reason = hold.status.reason;
    grant.opened = hold.decided;
    return grant;
}

std::unexpected<Error> unknown_grant(std::string_view id) {
    return fail(Errc::not_found, "there is no widened approval " + std::string(id) + "; `assent approvals` lists them");
}

}  // namespace

bool SqliteDesk::is_in_force(const Grant& grant, Moment until) const {
    return grant.revoked_by.empty() && !is_past(clock_, grant.until, until);
}

bool SqliteDesk::is_live(const Grant& grant, Moment until) const {
    const bool has_times_left = grant.times == 0 || grant.used < grant.times;
    return has_times_left && is_in_force(grant, until);
}

Result<std::optional<Grant>> SqliteDesk::grant_of(const Hold& hold) const {
    std::optional<Grant> made;
    std::vector<model::HoldApproval> glass;
    std::optional<std::chrono::seconds> lasts;
    for (const auto& approval : hold.request.approvals) {
        if (!approval.break_glass) continue;
        glass.push_back(approval);
        lasts = lasts ? std::min(*lasts, *approval.break_glass) : *approval.break_glass;
    }
    if (!glass.empty()) {
        made = grant_about(hold);
        made->kind = GrantKind::glass;
        made->approvals = std::move(glass);
        made->until = made->opened + *lasts;
    } else if (const auto widest = widened(hold)) {
        made = grant_about(hold);
        made->shape = hold.request.shape;
        made->approvals = hold.request.approvals;
        made->until = widest->until;
        made->times = widest->times;
        made->used = 1;  // the hold itself
    }
    if (!made) return made;
    const auto live =
        std::ranges::count_if(grants_, [&](const auto& entry) { return is_live(entry.second.grant, entry.second.until); });
    if (static_cast<std::size_t>(live) >= limits::open_grants)
        return fail(Errc::limit, "too many widened approvals are in force; revoke some first");
    do {
        made->id = make_hold_id(made->kind == GrantKind::glass ? 'g' : 'w');
    } while (grants_.contains(made->id));
    return made;
}

// Oldest first, as many as it may let through.
Result<std::vector<Hold>> SqliteDesk::released_by(const Grant& grant) const {
    const auto candidates =
        grant.kind == GrantKind::shape ? open_.waiting_of(grant.shape) : open_.waiting_of_agent(grant.agent);
    std::vector<Hold> out;
    for (const auto& id : candidates) {
        if (id == grant.hold) continue;
        const OpenHold* const open = open_.find(id);
        if (open == nullptr || open_.is_past_deadline(*open)) continue;
        auto hold = store_->find(id);
        if (!hold) return std::unexpected(std::move(hold.error()));
        if (!*hold || !is_for(grant, (*hold)->request)) continue;
        out.push_back(std::move(**hold));
    }
    std::ranges::sort(out, {}, [](const Hold& hold) { return hold.opened; });
    std::size_t most = limits::released_at_once;
    if (grant.times != 0) most = std::min<std::size_t>(most, grant.times - std::min<std::uint64_t>(grant.used, grant.times));
    if (out.size() > most) out.resize(most);
    for (Hold& hold : out) {
        hold.status.state = HoldState::approved;
        hold.status.decided_by = grant.given_by;
        hold.status.reason = grant.reason;
        hold.decided = grant.opened;
        hold.status.grant = grant.id;
    }
    return out;
}

Result<std::vector<std::string>> SqliteDesk::would_release(std::string_view id) const {
    const std::scoped_lock lock(mutex_);
    auto hold = store_->find(id);
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (!*hold) return unknown_hold(id);
    Grant grant = grant_about(**hold);
    grant.shape = (*hold)->request.shape;
    grant.approvals = (*hold)->request.approvals;
    auto others = released_by(grant);
    if (!others) return std::unexpected(std::move(others.error()));
    std::vector<std::string> ids;
    for (const Hold& other : *others) ids.push_back(other.status.id);
    return ids;
}

const Grant* SqliteDesk::grant_for(const model::HoldRequest& request) const {
    for (const auto& [id, kept] : grants_) {
        if (is_live(kept.grant, kept.until) && is_for(kept.grant, request)) return &kept.grant;
    }
    return nullptr;
}

Result<bool> SqliteDesk::use_grant(std::string_view id) {
    const auto found = grants_.find(id);
    if (found == grants_.end() || !is_live(found->second.grant, found->second.until)) return false;
    KeptGrant& kept = found->second;
    Grant after = kept.grant;
    ++after.used;
    if (after.times != 0) {
        // Counted for good before it runs: a restart must not give it again.
        if (auto stored = grant_store_.update(after); !stored) return std::unexpected(std::move(stored.error()));
    } else {
        kept.is_used_stored = false;
    }
    kept.grant = std::move(after);
    return true;
}

void SqliteDesk::keep_grant(Grant grant) {
    const auto left = std::chrono::duration_cast<Duration>(grant.until - clock_.wall());
    const auto whole = std::chrono::duration_cast<Duration>(grant.until - grant.opened);
    const Moment until = clock_.now() + std::clamp<Duration>(left, Duration::zero(), whole);
    std::string id = grant.id;
    grants_.insert_or_assign(std::move(id), KeptGrant{std::move(grant), until, true});
    while (grants_.size() > 2 * limits::open_grants) {
        auto oldest = grants_.end();
        for (auto at = grants_.begin(); at != grants_.end(); ++at) {
            const Grant& one = at->second.grant;
            if (is_live(one, at->second.until) || one.needs_review()) continue;
            if (oldest == grants_.end() || one.until < oldest->second.grant.until) oldest = at;
        }
        if (oldest == grants_.end()) return;
        grants_.erase(oldest);
    }
}

std::vector<Grant> SqliteDesk::grants(bool only_live) const {
    const std::scoped_lock lock(mutex_);
    std::vector<Grant> out;
    for (const auto& [id, kept] : grants_) {
        if (!only_live || is_live(kept.grant, kept.until)) out.push_back(kept.grant);
    }
    std::ranges::sort(out, std::greater(), &Grant::opened);
    return out;
}

Result<std::string> SqliteDesk::full_grant_id(std::string_view typed) const {
    const auto id = normal_hold_id(typed);
    if (!id) return unknown_grant(typed);
    const bool has_letter = typed.size() > 1 && typed[1] == '-';
    std::vector<std::string> found;
    for (const auto& [known, kept] : grants_) {
        if (known.starts_with(*id) || (!has_letter && known.substr(2).starts_with(id->substr(2)))) found.push_back(known);
    }
    if (found.empty()) return unknown_grant(typed);
    if (found.size() > 1) return fail(Errc::invalid, "several approvals begin with " + *id + "; write more of the id");
    return found.front();
}

Result<Grant> SqliteDesk::find_grant(std::string_view id_or_prefix) const {
    const std::scoped_lock lock(mutex_);
    auto id = full_grant_id(id_or_prefix);
    if (!id) return std::unexpected(std::move(id.error()));
    return grants_.at(*id).grant;
}

Result<Grant> SqliteDesk::revoke_locked(std::string_view id, const std::string& by, const std::string& reason,
                                        const GrantWitness& witness) {
    auto full = full_grant_id(id);
    if (!full) return std::unexpected(std::move(full.error()));
    KeptGrant& kept = grants_.find(*full)->second;
    if (!kept.grant.revoked_by.empty())
        return fail(Errc::not_found, "approval " + *full + " was revoked before, by " + kept.grant.revoked_by);
    if (is_past(clock_, kept.grant.until, kept.until)) return fail(Errc::not_found, "approval " + *full + " is over");
    if (reason.size() > limits::hold_reason) return fail(Errc::limit, "the reason is too long");
    Grant after = kept.grant;
    after.revoked_by = by;
    after.revoke_reason = reason;
    after.revoked = clock_.wall();
    std::vector<Hold> undone;
    for (const auto& waiting : open_.approved_ids()) {
        auto hold = store_->find(waiting);
        if (!hold) return std::unexpected(std::move(hold.error()));
        if (*hold && (*hold)->status.grant == *full) undone.push_back(std::move(**hold));
    }
    auto transaction = store_->begin();
    if (!transaction) return std::unexpected(std::move(transaction.error()));
    if (auto done = grant_store_.update(after); !done) return std::unexpected(std::move(done.error()));
    for (Hold& hold : undone) {
        hold.status.state = HoldState::revoked;
        hold.status.reason = "approval " + *full + " was revoked by " + by;
        hold.decided = after.revoked;
        if (auto done = store_->update(hold); !done) return std::unexpected(std::move(done.error()));
    }
    if (witness) {
        if (auto seen = witness(after); !seen) return std::unexpected(std::move(seen.error()));
    }
    if (auto done = (*transaction)->commit(); !done) return std::unexpected(std::move(done.error()));
    kept.grant = after;
    for (Hold& hold : undone) changed(std::move(hold));
    return after;
}

Result<Grant> SqliteDesk::review(std::string_view id, const Person& person, const std::string& text,
                                 const GrantWitness& witness) {
    const std::scoped_lock lock(mutex_);
    auto full = full_grant_id(id);
    if (!full) return std::unexpected(std::move(full.error()));
    KeptGrant& kept = grants_.find(*full)->second;
    if (kept.grant.kind != GrantKind::glass)
        return fail(Errc::invalid, *full + " broke no glass: there is nothing to review");
    if (!kept.grant.needs_review())
        return fail(Errc::not_found, *full + " was reviewed before, by " + kept.grant.reviewed_by);
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
        return fail(Errc::invalid, "a review is written: say what was found, with --reason");
    if (text.size() > limits::hold_reason) return fail(Errc::limit, "the review is too long");
    const bool is_own =
        std::ranges::any_of(kept.grant.givers, [&](const PersonKey& giver) { return may_be_same(giver, key_of(person)); });
    if (is_own && options_.reviewing.by_token)
        return fail(Errc::denied, "you broke this glass yourself; somebody else has to review it");
    Grant after = kept.grant;
    after.reviewed_by = person.name;
    after.review = text;
    after.reviewed = clock_.wall();
    auto transaction = store_->begin();
    if (!transaction) return std::unexpected(std::move(transaction.error()));
    if (auto done = grant_store_.update(after); !done) return std::unexpected(std::move(done.error()));
    if (witness) {
        if (auto seen = witness(after); !seen) return std::unexpected(std::move(seen.error()));
    }
    if (auto done = (*transaction)->commit(); !done) return std::unexpected(std::move(done.error()));
    kept.grant = after;
    return after;
}

std::vector<Suspension> SqliteDesk::suspensions() const {
    const std::scoped_lock lock(mutex_);
    return grant_store_.suspensions().value_or(std::vector<Suspension>());
}

Result<> SqliteDesk::save_limit_counts(const std::vector<LimitCount>& counts) {
    const std::scoped_lock lock(mutex_);
    auto transaction = store_->begin();
    if (!transaction) return std::unexpected(std::move(transaction.error()));
    if (auto done = grant_store_.replace_counts(counts); !done) return done;
    return (*transaction)->commit();
}

}  // namespace assent::approve

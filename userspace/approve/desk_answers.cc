// Takes answers: who may give which stage, what that makes of the hold, and what else it lets through.
#include <algorithm>

#include "approve/chain.h"
#include "approve/sqlite_desk.h"
#include "base/limits.h"

namespace assent::approve {
namespace {

using model::HoldState;

Result<> check_answer(const Hold& hold, const Answer& answer) {
    if (answer.reason.size() > limits::hold_reason) return fail(Errc::limit, "the reason is too long");
    if (!answer.widening) return {};
    if (!answer.approves) return fail(Errc::invalid, "only an approval can be widened");
    if (hold.request.shape == Digest{}) return fail(Errc::invalid, "this command has no shape that could be approved");
    const auto lasts = answer.widening->lasts;
    if (lasts.count() <= 0 || lasts > limits::grant_duration)
        return fail(Errc::invalid,
                    "a widened approval lasts from 1s to " + std::to_string(limits::grant_duration.count()) + "h");
    return {};
}

Result<> check_reason(const Hold& hold, const std::vector<Seat>& seats, const Answer& answer) {
    const bool breaks_glass = answer.approves && std::ranges::any_of(seats, [&](const Seat& seat) {
                                  return hold.request.approvals[seat.approval].break_glass.has_value();
                              });
    const bool has_reason = answer.reason.find_first_not_of(" \t\r\n") != std::string::npos;
    if (!breaks_glass || has_reason) return {};
    return fail(Errc::invalid, "this approval breaks the glass: say why, with --reason");
}

}  // namespace

Result<Hold> SqliteDesk::find_waiting(std::string_view id) {
    auto found = store_->find(id);
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) return unknown_hold(id);
    Hold& hold = **found;
    if (hold.status.state != HoldState::waiting) return not_waiting(hold);
    const OpenHold* const open = open_.find(id);
    if (open == nullptr) return fail(Errc::internal, "hold " + std::string(id) + " waits in the database only");
    if (open_.is_past_deadline(*open)) {
        if (auto done = expire_one(hold); !done) return std::unexpected(std::move(done.error()));
        return not_waiting(hold);
    }
    // Whoever answers is judged by the time that it is, also before the next round of escalate().
    if (auto done = escalate_one(hold); !done) return std::unexpected(std::move(done.error()));
    return std::move(hold);
}

// What the newest answers make of it.
void SqliteDesk::settle(Hold& hold, bool approves, const std::string& reason) const {
    hold.approved = given_names(hold);
    if (approves && !is_all_given(hold)) return;
    std::vector<std::string> people;
    for (const Act& act : hold.acts) {
        if (act.approves == approves && std::ranges::find(people, act.person) == people.end()) people.push_back(act.person);
    }
    hold.status.state = approves ? HoldState::approved : HoldState::denied;
    hold.status.decided_by = listed(people);
    hold.status.reason = reason;
    hold.decided = clock_.wall();
}

Result<Decision> SqliteDesk::answer_locked(std::string_view id, const Person& person, const Answer& answer,
                                           const Witness& witness) {
    auto found = find_waiting(id);
    if (!found) return std::unexpected(std::move(found.error()));
    Decision decision;
    decision.hold = std::move(*found);
    decision.first_act = decision.hold.acts.size();
    Hold& hold = decision.hold;
    if (auto checked = check_answer(hold, answer); !checked) return std::unexpected(std::move(checked.error()));
    auto seats = seats_of(hold, person, answer.approves, options_.reviewing);
    if (!seats) return std::unexpected(std::move(seats.error()));
    if (auto checked = check_reason(hold, *seats, answer); !checked) return std::unexpected(std::move(checked.error()));

    for (const Seat& seat : *seats) {
        Act& act = hold.acts.emplace_back();
        act.approval = hold.request.approvals[seat.approval].name;
        act.stage = seat.stage;
        act.approves = answer.approves;
        act.person = person.name;
        act.uid = person.uid;
        act.login_uid = person.login_uid;
        act.issuer = person.issuer;
        act.subject = person.subject;
        act.is_runner = has_started(hold, person);
        act.widening = answer.widening;
        act.reason = answer.reason;
        act.when = clock_.wall();
    }
    settle(hold, answer.approves, answer.reason);
    std::vector<Hold> released;
    if (hold.status.state == HoldState::approved) {
        auto grant = grant_of(hold);
        if (!grant) return std::unexpected(std::move(grant.error()));
        decision.grant = std::move(*grant);
    }
    if (decision.grant) {
        auto others = released_by(*decision.grant);
        if (!others) return std::unexpected(std::move(others.error()));
        released = std::move(*others);
        decision.grant->used += released.size();
        hold.status.grant = decision.grant->id;
    }
    if (answer.most_released && released.size() > *answer.most_released)
        return fail(Errc::unavailable, "it would release " + std::to_string(released.size()) +
                                           " other holds by now, more than you were told; look again");
    for (const Hold& other : released) decision.released.push_back(other.status.id);
    if (auto stored = store_answer(decision, released, witness); !stored) return std::unexpected(std::move(stored.error()));
    return decision;
}

Result<> SqliteDesk::store_answer(Decision& decision, std::vector<Hold>& released, const Witness& witness) {
    Hold& hold = decision.hold;
    auto transaction = store_->begin();
    if (!transaction) return std::unexpected(std::move(transaction.error()));
    for (std::size_t i = decision.first_act; i < hold.acts.size(); ++i) {
        if (auto done = store_->add_act(hold.status.id, hold.acts[i]); !done) return done;
    }
    if (auto done = store_->update(hold); !done) return done;
    if (decision.grant) {
        if (auto done = grant_store_.insert(*decision.grant); !done) return done;
    }
    for (const Hold& other : released) {
        if (auto done = store_->update(other); !done) return done;
    }
    mark(hold);
    if (witness) {
        if (auto seen = witness(decision); !seen) return seen;
    }
    if (auto done = (*transaction)->commit(); !done) return done;
    if (decision.grant) keep_grant(*decision.grant);
    changed(hold);
    for (Hold& other : released) changed(std::move(other));
    return {};
}

}  // namespace assent::approve

#include "approve/reviewers.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "approve/chain.h"

namespace assent::approve {
namespace {

constexpr std::uint32_t no_uid = static_cast<std::uint32_t>(-1);

bool is_user(const Person& person, std::uint32_t uid) {
    // With sudo they are who logged in, and not whatever else root does here.
    const bool has_sudo = person.issuer.empty() && person.uid == 0 && person.login_uid != 0;
    return (person.uid == uid && !has_sudo) || person.login_uid == uid || person.own_uid == uid;
}

// What no approval and no setting can allow.
Result<> may_be_a_reviewer(const Hold& hold, const Person& person) {
    if (person.is_governed)
        return fail(Errc::denied, "an agent may not answer holds; ask a person outside the governed slice");
    const bool is_known =
        person.issuer.empty() ? person.uid != no_uid && person.login_uid != no_uid : !person.subject.empty();
    if (person.name.empty() || !is_known)
        return fail(Errc::denied, "this host does not know who you are, so you may not answer holds");
    if (is_user(person, hold.request.agent_uid)) {
        return fail(Errc::denied, "the agent runs as your user, and nobody approves their own agent's command");
    }
    // sudo keeps the person; another user's identity on top of a login (su, a service's user) does not. A token speaks for
    // itself, whoever carries it.
    if (person.issuer.empty() && person.uid != 0 && person.uid != person.login_uid) {
        return fail(Errc::denied, "you act as " + person.name + " but are logged in as uid " +
                                      std::to_string(person.login_uid) + "; answer as yourself");
    }
    return {};
}

bool is_reviewer(const Hold& hold, const model::HoldApproval& approval, std::size_t stage, const Person& person,
                 const Reviewing& reviewing) {
    const model::HoldStage& one = approval.stages[stage];
    if (is_named(person, one.users, one.groups, reviewing)) return true;
    return is_escalated(hold, approval, stage) && is_named(person, one.escalate_users, one.escalate_groups, reviewing);
}

std::optional<std::size_t> first_reviewed(const Hold& hold, const model::HoldApproval& approval, const Person& person,
                                          const Reviewing& reviewing) {
    for (std::size_t stage = 0; stage < approval.stages.size(); ++stage) {
        if (is_reviewer(hold, approval, stage, person, reviewing)) return stage;
    }
    return std::nullopt;
}

// In any stage of this approval.
bool has_given(const Hold& hold, const model::HoldApproval& approval, const Person& person) {
    return std::ranges::any_of(hold.acts, [&](const Act& act) {
        return act.approves && act.approval == approval.name &&
               may_be_same({act.issuer, act.subject, act.login_uid}, key_of(person));
    });
}

// Whose command it is, in the eyes of the host: they may refuse it, and break the glass for it.
std::string why_own(const Hold& hold, const Person& person, const Reviewing& reviewing) {
    const auto& request = hold.request;
    const bool is_acted_for = !person.issuer.empty() && std::ranges::any_of(request.acts_for, [&](const auto& one) {
        return one.issuer == person.issuer && one.subject == person.subject;
    });
    if (is_acted_for) return "the agent acts for you, and nobody approves their own command";
    if (has_started(hold, person) && reviewing.by_token)
        return "you started this agent, and nobody approves their own agent's command";
    return {};
}

std::vector<std::string> names_of(const Hold& hold) {
    std::vector<std::string> names;
    for (const auto& approval : hold.request.approvals) names.push_back(approval.name);
    return names;
}

std::unexpected<Error> no_reviewer(const Hold& hold, const Person& person) {
    return fail(Errc::denied, fmt::format("you ({}) are not a reviewer of this hold's approvals: {}", person.name,
                                          fmt::join(names_of(hold), ", ")));
}

}  // namespace

Result<std::vector<Seat>> seats_of(const Hold& hold, const Person& person, bool approves, const Reviewing& reviewing) {
    if (auto allowed = may_be_a_reviewer(hold, person); !allowed) return std::unexpected(std::move(allowed.error()));
    std::vector<Seat> seats;
    bool is_reviewer_of_any = false;
    bool has_given_any = false;
    std::string own;
    for (std::size_t i = 0; i < hold.request.approvals.size(); ++i) {
        const auto& approval = hold.request.approvals[i];
        const auto first = first_reviewed(hold, approval, person, reviewing);
        if (!first) continue;
        is_reviewer_of_any = true;
        if (!approves) {
            seats.push_back({i, *first});
            continue;
        }
        const std::size_t stage = current_stage(hold, approval);
        if (stage == approval.stages.size()) {
            has_given_any = true;
        } else if (has_given(hold, approval, person)) {
            has_given_any = true;
        } else if (!is_reviewer(hold, approval, stage, person, reviewing)) {
            continue;  // before or after their turn
        } else if (auto why = why_own(hold, person, reviewing); !why.empty() && !approval.break_glass) {
            own = std::move(why);
        } else {
            seats.push_back({i, stage});
        }
    }
    if (!seats.empty()) return seats;
    if (!is_reviewer_of_any) return no_reviewer(hold, person);
    if (!own.empty()) return fail(Errc::denied, own);
    const auto rest = outstanding(hold);
    if (has_given_any)
        return fail(Errc::denied, fmt::format("what you can approve of hold {} is approved; it still waits for: {}",
                                              hold.status.id, fmt::join(rest, ", ")));
    return fail(Errc::denied, fmt::format("it is not your turn to approve hold {}: it waits for {}", hold.status.id,
                                          fmt::join(rest, ", ")));
}

bool has_started(const Hold& hold, const Person& person) {
    return hold.request.runner_uid && is_user(person, *hold.request.runner_uid);
}

Result<> may_decide(const Hold& hold, const Person& person, const Deciders& deciders) {
    if (auto seats = seats_of(hold, person, false, deciders.reviewing); !seats)
        return std::unexpected(std::move(seats.error()));
    if (!may_answer(person, deciders))
        return fail(Errc::denied, "you (" + person.name + ") are not in `decide` of this host's settings");
    return {};
}

}  // namespace assent::approve

#include "approve/reviewers.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace assent::approve {
namespace {

constexpr std::uint32_t no_uid = static_cast<std::uint32_t>(-1);

bool contains(const std::vector<std::string>& list, std::string_view word) {
    return std::ranges::find(list, word) != list.end();
}

bool shares_one(const std::vector<std::string>& left, const std::vector<std::string>& right) {
    return std::ranges::any_of(left, [&](const std::string& word) { return contains(right, word); });
}

// "ana", or "ana@HOST" where HOST is this host's name as the kernel has it.
std::string name_at_host(const std::string& name) {
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0 || host.front() == '\0') return name;
    return name + "@" + host.data();
}

bool is_among(const Person& person, const std::vector<std::string>& users, const std::vector<std::string>& groups) {
    if (person.name.empty()) return false;
    return contains(users, person.name) || contains(users, name_at_host(person.name)) || shares_one(person.groups, groups);
}

// What no approval and no setting can allow.
Result<> may_be_a_reviewer(const Hold& hold, const Person& person) {
    if (person.is_governed)
        return fail(Errc::denied, "an agent may not answer holds; ask a person outside the governed slice");
    if (person.name.empty() || person.uid == no_uid || person.login_uid == no_uid) {
        return fail(Errc::denied, "this host does not know who you are, so you may not answer holds");
    }
    if (person.uid == hold.request.agent_uid || person.login_uid == hold.request.agent_uid) {
        return fail(Errc::denied, "the agent runs as your user, and nobody approves their own agent's command");
    }
    // sudo keeps the person; another user's identity on top of a login (su, a service's user) does not.
    if (person.uid != 0 && person.uid != person.login_uid) {
        return fail(Errc::denied, "you act as " + person.name + " but are logged in as uid " +
                                      std::to_string(person.login_uid) + "; answer as yourself");
    }
    return {};
}

}  // namespace

bool is_decider(const Person& person, const std::vector<std::string>& decide_users,
                const std::vector<std::string>& decide_groups) {
    return is_among(person, decide_users, decide_groups);
}

Result<std::vector<std::string>> approvals_of(const Hold& hold, const Person& person) {
    if (auto allowed = may_be_a_reviewer(hold, person); !allowed) return std::unexpected(std::move(allowed.error()));
    std::vector<std::string> names;
    std::string wanted;
    for (const auto& approval : hold.request.approvals) {
        if (is_among(person, approval.users, approval.groups)) names.push_back(approval.name);
        wanted += (wanted.empty() ? "" : ", ") + approval.name;
    }
    if (names.empty())
        return fail(Errc::denied, "you (" + person.name + ") are not a reviewer of this hold's approvals: " + wanted);
    return names;
}

Result<> may_decide(const Hold& hold, const Person& person, const std::vector<std::string>& decide_users,
                    const std::vector<std::string>& decide_groups) {
    if (auto names = approvals_of(hold, person); !names) return std::unexpected(std::move(names.error()));
    if (!is_decider(person, decide_users, decide_groups)) {
        return fail(Errc::denied, "you (" + person.name + ") are not in `decide` of this host's settings");
    }
    return {};
}

}  // namespace assent::approve

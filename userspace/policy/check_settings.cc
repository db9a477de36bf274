#include "policy/check_settings.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "policy/can_be_given.h"

namespace assent::policy {
namespace {

// "agents-nightly.slice" is below "agents.slice", as systemd names them.
bool is_same_or_below(std::string_view slice, std::string_view above) {
    if (slice == above) return true;
    const auto stem = [](std::string_view name) {
        return name.ends_with(".slice") ? name.substr(0, name.size() - 6) : name;
    };
    return stem(slice).starts_with(std::string(stem(above)) + "-");
}

// A cgroup of this pattern, or one below it, may be meant.
bool may_be_in(const Glob& cgroup, const std::string& pattern) {
    return cgroup.meets(Glob(pattern, Glob::Kind::path)) || cgroup.meets(Glob(pattern + "/**", Glob::Kind::path));
}

bool is_governed_cgroup(const Glob& cgroup, const Settings& settings) {
    const auto has = [&](const std::vector<std::string>& patterns, std::string_view before) {
        return std::ranges::any_of(patterns,
                                   [&](const auto& pattern) { return may_be_in(cgroup, std::string(before) + pattern); });
    };
    return has(settings.govern_cgroups, "") || has(settings.govern_slices, "**/") || has(settings.govern_units, "**/");
}

bool is_governed(const AgentItem& item, const Settings& settings) {
    if (item.cgroup && !is_governed_cgroup(*item.cgroup, settings)) return false;
    if (!item.unit && !item.slice) return true;  // exe and run: of whatever is governed
    // A unit is governed by its name, or as the cgroup that it is.
    const auto is_of = [&](const std::string& pattern) {
        return item.unit->meets(Glob(std::string_view(pattern).substr(pattern.rfind('/') + 1)));
    };
    const bool has_unit = item.unit && (std::ranges::any_of(settings.govern_units, is_of) ||
                                        std::ranges::any_of(settings.govern_cgroups, is_of));
    const bool has_slice =
        item.slice && std::any_of(settings.govern_slices.begin(), settings.govern_slices.end(), [&](const auto& slice) {
            return item.slice->meets(Glob(slice)) || is_same_or_below(item.slice_text, slice) ||
                   is_same_or_below(slice, item.slice_text);
        });
    return has_unit || has_slice;
}

// A token of an issuer that is not asked could never be verified.
std::string why_no_token(const AgentItem& item, const Settings& settings) {
    if (!item.token) return {};
    const auto* issuer = settings.identity.find(item.token->issuer);
    if (issuer == nullptr)
        return fmt::format("the issuer '{}' is not in 'identity' of {}", shown_text(item.token->issuer),
                           settings.file.string());
    if (issuer->audience.empty())
        return fmt::format("the issuer '{}' issues no agents' tokens: 'identity' of {} gives it no 'audience'",
                           shown_text(item.token->issuer), settings.file.string());
    return {};
}

// The users who are in the group, by the host's own databases; its name may be unknown here.
std::set<std::string> members_of(const std::string& group) {
    std::set<std::string> out;
    std::array<char, 65536> buffer{};
    struct group entry {};
    struct group* found = nullptr;
    if (::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return out;
    for (char** member = found->gr_mem; *member != nullptr; ++member) out.insert(*member);
    return out;
}

bool is_in_group(const std::string& user, const std::string& group) {
    if (members_of(group).contains(user)) return true;
    std::array<char, 65536> buffer{};
    struct passwd entry {};
    struct passwd* found = nullptr;
    if (::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return false;
    std::array<char, 65536> group_buffer{};
    struct group primary {};
    struct group* primary_found = nullptr;
    if (::getgrgid_r(found->pw_gid, &primary, group_buffer.data(), group_buffer.size(), &primary_found) != 0) return false;
    return primary_found != nullptr && group == primary_found->gr_name;
}

bool has(const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

bool may_decide(const std::string& user, const Settings& settings) {
    return has(settings.decide_users, user) || std::any_of(settings.decide_groups.begin(), settings.decide_groups.end(),
                                                           [&](const auto& group) { return is_in_group(user, group); });
}

// "ana" of "unix:ana", as people of this host are written where others log in by a token.
std::string plain_name(const std::string& name) {
    constexpr std::string_view prefix = "unix:";
    return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

// Those of the reviewers who are also in `decide`. A group that `decide` names has enough of them.
void add_deciders(const Reviewers& reviewers, const Settings& settings, Candidates& out) {
    for (const auto& written : reviewers.users) {
        const std::string user = plain_name(written);
        if (may_decide(user, settings)) out.persons.insert(user);
    }
    for (const auto& written : reviewers.groups) {
        const std::string group = plain_name(written);
        out.is_open = out.is_open || has(settings.decide_groups, group);
        for (const auto& user : settings.decide_users) {
            if (is_in_group(user, group)) out.persons.insert(user);
        }
        for (const auto& member : members_of(group)) {
            if (may_decide(member, settings)) out.persons.insert(member);
        }
    }
}

bool can_be_given(const Approval& approval, const Settings& settings) {
    std::vector<Candidates> stages;
    for (const Stage& stage : approval.stages) {
        Candidates& candidates = stages.emplace_back();
        candidates.quorum = stage.quorum;
        add_deciders(stage.reviewers, settings, candidates);
        if (stage.escalation) add_deciders(stage.escalation->to, settings, candidates);
    }
    return has_persons_for_all(stages);
}

}  // namespace

std::vector<Diagnostic> check_content(const PolicyContent& content, const Settings& settings) {
    std::vector<Diagnostic> out;
    for (const auto& [name, items] : content.agents) {
        for (const AgentItem& item : items) {
            if (const auto why = why_no_token(item, settings); !why.empty())
                Reporter(out, item.place.file)
                    .mistake(item.place.at, fmt::format("agent '{}' can never match: {}", name, why));
            if (is_governed(item, settings)) continue;
            Reporter(out, item.place.file)
                .mistake(item.place.at, fmt::format("agent '{}' is outside 'govern' of {}: add its unit or slice there, or "
                                                    "say here in which governed slice it runs",
                                                    name, settings.file.string()));
        }
    }
    for (const auto& [name, placed] : content.approvals) {
        if (can_be_given(placed.approval, settings)) continue;
        Reporter(out, placed.place.file)
            .mistake(placed.place.at,
                     fmt::format("nobody can give approval '{}': too few of its reviewers are also in 'decide' of {}", name,
                                 settings.file.string()));
    }
    return out;
}

}  // namespace assent::policy

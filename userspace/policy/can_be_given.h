// Can an approval be given at all: are there enough different persons for its stages. A person counts in one stage of an
// approval only. Private to policy/.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "policy/policy.h"

namespace assent::policy {

// Whom one stage may take.
struct Candidates {
    std::size_t quorum = 1;
    bool is_open = false;           // by a group, whose members are not counted: there are enough
    std::set<std::string> persons;  // else these alone
};

// Those that the policy names, also by escalation.
[[nodiscard]] Candidates candidates_of(const Stage& stage);
// How many persons a stage names; nothing when it names a group.
[[nodiscard]] std::optional<std::size_t> most_persons(const Stage& stage);

// Can every stage have its quorum with no person in two of them.
[[nodiscard]] bool has_persons_for_all(const std::vector<Candidates>& stages);
[[nodiscard]] bool has_persons_for_all(const std::vector<Stage>& stages);

}  // namespace assent::policy

// Who is a reviewer of what.
#pragma once

#include <string>
#include <vector>

#include "approve/desk.h"

namespace assent::approve {

// A stage of an approval of a hold, by their places in its request.
struct Seat {
    std::size_t approval = 0;
    std::size_t stage = 0;
};

// What the person gives by approving now: of each approval the stage that waits, where they are one of its reviewers and
// have not given another stage of it; what they refuse by denying: every approval of which they review a stage. Errc::denied
// with the reason when there is nothing, or when the person may not answer whatever the approvals say: an agent, its uid,
// somebody for whom it acts or who started it, or who is not themselves at the moment.
[[nodiscard]] Result<std::vector<Seat>> seats_of(const Hold& hold, const Person& person, bool approves,
                                                 const Reviewing& reviewing);

// Is the person the one who started the agent: by their login, or by the user of this host that their token names.
[[nodiscard]] bool has_started(const Hold& hold, const Person& person);

}  // namespace assent::approve

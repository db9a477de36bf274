// Who is a reviewer of what.
#pragma once

#include <string>
#include <vector>

#include "approve/desk.h"

namespace assent::approve {

// The approvals of this hold that the person is a reviewer of, in the hold's order. Errc::denied with the reason when there
// are none, or when the person may not answer whatever the approvals say: an agent, its uid, or somebody who is not
// themselves at the moment.
[[nodiscard]] Result<std::vector<std::string>> approvals_of(const Hold& hold, const Person& person);

}  // namespace assent::approve

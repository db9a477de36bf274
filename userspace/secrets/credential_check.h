// Are the credentials of a policy there to be used.
#pragma once

#include <string>
#include <vector>

#include "policy/policy.h"

namespace assent::secrets {

// A sentence for each credential of a target that cannot be read now; it names the credential, the target and the file.
[[nodiscard]] std::vector<std::string> unreadable_credentials(const policy::Policy& policy);

}  // namespace assent::secrets

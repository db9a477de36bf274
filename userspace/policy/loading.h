// A policy set from texts, for tests, fuzzers and the copy of the last good set.
#pragma once

#include <map>
#include <string>

#include "policy/policy.h"

namespace assent::policy {

// `files`: name to text. Names stand in the mistakes as they are here. Never throws.
[[nodiscard]] std::expected<std::shared_ptr<const Policy>, std::vector<Diagnostic>> load_texts(
    std::map<std::string, std::string> files, std::uint64_t revision);

}  // namespace assent::policy

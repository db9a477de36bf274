// What a policy would say of a text, without a server: `assent policy explain`, and the cases of *.test.yaml.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "policy/policy.h"

namespace assent::policy {

struct ExplainRequest {
    std::string agent;     // a named set, or "any": an agent of no set
    std::string target;    // a name, or "any": a target of no name
    std::string database;  // empty: the first that the target lists
    std::string sql;
    std::optional<std::string> catalog;  // the text of a catalog file; without one, unqualified names are in `public`
    WallTime when = std::chrono::system_clock::now();
};

struct Explanation {
    model::Verdict verdict;
    std::vector<std::string> functions;
    std::string mask_denial;  // why a mask denies; empty when none does
    std::string failure;      // why the text was not parsed
    std::size_t statements = 0;

    // The shape that POLICY.md promises, and more keys.
    [[nodiscard]] nlohmann::json to_json() const;
    // For people.
    [[nodiscard]] std::string to_text() const;
};

// Errors: Errc::invalid for a name that the policy does not have (with the nearest), or a catalog that is wrong; Errc::io
// when there is no stack to parse on. Thread: any.
[[nodiscard]] Result<Explanation> explain(const Policy& policy, const ExplainRequest& request);

}  // namespace assent::policy

// The cases of *.test.yaml: what a policy set is expected to say, and what it says.
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "policy/policy.h"

namespace assent::policy {

struct CaseFailure {
    std::string file;
    std::uint32_t line = 0;
    std::string name;
    std::vector<std::string> differences;  // "verdict: expected deny, got allow (by reads)"
};

struct CaseResults {
    std::size_t passed = 0;
    std::vector<CaseFailure> failures;
};

// Loads the policy set of the directory and runs every case of its *.test.yaml. Mistakes are those of the policy or of the
// test files; a directory without cases is one. Thread: any.
[[nodiscard]] std::expected<CaseResults, std::vector<Diagnostic>> run_policy_tests(const std::filesystem::path& directory);

}  // namespace assent::policy

// Private to policy/: the files of a policy directory.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policy/settings.h"

namespace assent::policy {

// Every *.yaml under the directory but *.test.yaml, by its path below the directory. Hidden files and folders are left out.
// What cannot be read, and *.yml, is reported.
[[nodiscard]] std::map<std::string, std::string> read_policy_files(const std::filesystem::path& directory,
                                                                   std::vector<Diagnostic>& mistakes);

// The names of the files `*.test.yaml` under the directory, sorted.
[[nodiscard]] std::vector<std::filesystem::path> find_test_files(const std::filesystem::path& directory,
                                                                 std::vector<Diagnostic>& mistakes);

// A whole file of bounded size; nothing when it was reported. `shown` stands in the mistake.
[[nodiscard]] std::optional<std::string> read_text_file(const std::filesystem::path& file, const std::string& shown,
                                                        std::vector<Diagnostic>& mistakes);

}  // namespace assent::policy

// Unix sockets between the daemon's words and the BPF programs'. Private to kernel/.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "abi.h"
#include "base/result.h"
#include "kernel/redirect.h"

namespace assent::kernel {

// A path, or '@' and an abstract name. Nothing: it is empty or too long.
[[nodiscard]] std::optional<assent_unix_name> unix_name(std::string_view text);
[[nodiscard]] std::string to_text(const assent_unix_name& name);

using UnixRules = std::vector<std::pair<assent_unix_name, assent_unix_rule>>;

[[nodiscard]] assent_unix_rule unix_rule(const UnixRule& rule);

// Makes the map hold these and no others; one that stays is never missing meanwhile.
[[nodiscard]] Result<> write_unix_rules(int map, const UnixRules& rules);

// Who connected, as the hooks would have told it. Errc::denied: the process has ended.
[[nodiscard]] Result<assent_identity> identify_unix_peer(int accepted, const std::filesystem::path& cgroup_root);

}  // namespace assent::kernel

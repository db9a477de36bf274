// Unix sockets between the daemon's words and the BPF programs'. Private to kernel/.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "abi.h"
#include "base/result.h"
#include "kernel/redirect.h"

namespace assent::kernel {

// A path, or '@' and an abstract name. Nothing: it is empty or too long.
[[nodiscard]] std::optional<assent_unix_name> unix_name(std::string_view text);
[[nodiscard]] std::string to_text(const assent_unix_name& name);

[[nodiscard]] assent_unix_rule unix_rule(const UnixRule& rule);

// A process as the hooks would have told it. Errc::not_found: it has ended. Whoever has only its number makes sure that it
// is still the same one.
[[nodiscard]] Result<assent_identity> identify_process(pid_t pid, const std::filesystem::path& cgroup_root);

// Who connected, as the hooks would have told it. Errc::denied: the process has ended.
[[nodiscard]] Result<assent_identity> identify_unix_peer(int accepted, const std::filesystem::path& cgroup_root);

}  // namespace assent::kernel

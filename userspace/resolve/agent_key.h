// What belongs together as one agent when names and budgets are kept: its cgroup, without those that it can make itself.
#pragma once

#include <string>
#include <string_view>

namespace assent::resolve {

// Of a path below the cgroup mount: up to the first component that is no slice, behind the first slices;
// "/assent.slice/run-1.scope/own" gives "/assent.slice/run-1.scope". Without a slice: up to the first service or scope, or
// the whole path.
[[nodiscard]] std::string agent_key(std::string_view cgroup_path);

}  // namespace assent::resolve

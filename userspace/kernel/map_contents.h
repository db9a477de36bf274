// Replaces what a BPF hash map holds. Private to kernel/.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "base/result.h"

namespace assent::kernel {

// Makes the map hold these and no others; one that stays is never missing meanwhile. `what` is for the error's text. Keys
// have no padding that is not zero.
template <typename Key, typename Value>
[[nodiscard]] Result<> replace_contents(int map, const std::vector<std::pair<Key, Value>>& wanted, std::string_view what) {
    for (const auto& [key, value] : wanted)
        if (bpf_map_update_elem(map, &key, &value, BPF_ANY) != 0) return fail_errno(fmt::format("writing {}", what), errno);
    std::vector<Key> old;
    Key key{};
    for (const Key* previous = nullptr; bpf_map_get_next_key(map, previous, &key) == 0; previous = &old.back())
        old.push_back(key);
    for (const auto& each : old) {
        const bool stays = std::ranges::any_of(
            wanted, [&](const auto& entry) { return std::memcmp(&entry.first, &each, sizeof(Key)) == 0; });
        if (!stays && bpf_map_delete_elem(map, &each) != 0) return fail_errno(fmt::format("writing {}", what), errno);
    }
    return {};
}

}  // namespace assent::kernel

#include "app/last_refusals.h"

#include <algorithm>

#include "base/limits.h"

namespace assent::app {

void LastRefusals::add(std::uint64_t cgroup_id, std::uint32_t uid, LastRefusal refusal) {
    for (std::string* text : {&refusal.what, &refusal.message, &refusal.detail, &refusal.hint})
        text->resize(std::min(text->size(), limits::refusal_text_remembered));
    const std::lock_guard lock(mutex_);
    const Key key{cgroup_id, uid};
    if (!by_agent_.contains(key) && by_agent_.size() >= limits::agents_remembered) {
        by_agent_.erase(
            std::ranges::min_element(by_agent_, {}, [](const auto& entry) { return entry.second.front().when; }));
    }
    auto& refusals = by_agent_[key];
    refusals.push_front(std::move(refusal));
    if (refusals.size() > limits::refusals_remembered) refusals.pop_back();
}

std::vector<LastRefusal> LastRefusals::of(std::uint64_t cgroup_id, std::uint32_t uid) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_agent_.find({cgroup_id, uid});
    if (found == by_agent_.end()) return {};
    return {found->second.begin(), found->second.end()};
}

}  // namespace assent::app

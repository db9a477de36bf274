#include "app/rule_limits.h"

#include <algorithm>
#include <numeric>

#include "base/limits.h"

namespace assent::app {
namespace {

constexpr std::int64_t parts = 60;
constexpr std::size_t kept_parts = 61;  // the oldest may be looked at in part only, and counts whole

std::int64_t part_of(const Clock& clock, std::int64_t part_us) {
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(clock.wall().time_since_epoch()).count();
    return now / part_us;
}

std::int64_t part_size(const model::RuleLimit& limit) {
    const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(limit.per).count();
    return std::max<std::int64_t>(1, (whole + parts - 1) / parts);
}

}  // namespace

// A clock that was set back counts into the newest part: nothing is forgotten early.
void RuleLimits::Window::advance(std::int64_t part) {
    const std::int64_t newest = first_part + static_cast<std::int64_t>(counts.size()) - 1;
    if (counts.empty() || part - newest >= static_cast<std::int64_t>(kept_parts)) {
        first_part = part;
        counts.assign(1, 0);
        return;
    }
    if (part <= newest) return;
    counts.resize(counts.size() + static_cast<std::size_t>(part - newest), 0);
    if (counts.size() <= kept_parts) return;
    const auto gone = static_cast<std::ptrdiff_t>(counts.size() - kept_parts);
    counts.erase(counts.begin(), counts.begin() + gone);
    first_part += gone;
}

std::uint64_t RuleLimits::Window::sum() const { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); }

RuleLimits::Window* RuleLimits::window_of(const Key& key, const model::RuleLimit& limit) {
    const std::int64_t part_us = part_size(limit);
    auto found = windows_.find(key);
    if (found == windows_.end()) {
        if (windows_.size() >= limits::limit_counters) forget_old();
        if (windows_.size() >= limits::limit_counters) return nullptr;
        found = windows_.emplace(key, Window{part_us, 0, {}}).first;
    }
    Window& window = found->second;
    if (window.part_us != part_us) {  // the rule's time has changed: all that was counted is of the newest part
        const std::uint64_t sum = window.sum();
        window = Window{
            part_us, part_of(clock_, part_us), {static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, limit.commands))}};
    }
    window.advance(part_of(clock_, part_us));
    return &window;
}

void RuleLimits::forget_old() {
    for (auto at = windows_.begin(); at != windows_.end();) {
        at->second.advance(part_of(clock_, at->second.part_us));
        at = at->second.sum() == 0 ? windows_.erase(at) : std::next(at);
    }
}

std::vector<model::RuleLimit> RuleLimits::count(const std::string& agent, const std::vector<model::RuleLimit>& limits) {
    const std::lock_guard lock(mutex_);
    std::vector<model::RuleLimit> over;
    std::vector<Window*> windows;
    for (const auto& limit : limits) {
        Window* const window = window_of({agent, limit.rule}, limit);
        if (window == nullptr || window->sum() >= limit.commands) over.push_back(limit);
        windows.push_back(window);
    }
    if (!over.empty()) return over;
    for (Window* window : windows) ++window->counts.back();
    has_changed_ = true;
    return over;
}

void RuleLimits::load(const std::vector<approve::LimitCount>& counts) {
    const std::lock_guard lock(mutex_);
    for (const auto& count : counts) {
        if (count.part_us <= 0 || count.counts.empty() || count.counts.size() > kept_parts) continue;
        if (windows_.size() >= limits::limit_counters) return;
        windows_[{count.agent, count.rule}] = Window{count.part_us, count.first_part, count.counts};
    }
}

std::vector<approve::LimitCount> RuleLimits::save() {
    const std::lock_guard lock(mutex_);
    has_changed_ = false;
    forget_old();
    std::vector<approve::LimitCount> out;
    for (const auto& [key, window] : windows_)
        out.push_back({key.first, key.second, window.first_part, window.part_us, window.counts});
    return out;
}

bool RuleLimits::has_changed() const {
    const std::lock_guard lock(mutex_);
    return has_changed_;
}

}  // namespace assent::app

#include "app/suspensions.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/limits.h"

namespace assent::app {

Suspensions::Suspensions(Parts parts) : parts_(std::move(parts)) {
    for (const auto& suspension : parts_.desk.suspensions()) keep(suspension);
}

void Suspensions::keep(const approve::Suspension& suspension) {
    suspended_.insert_or_assign(suspension.agent, suspension);
    count_ = suspended_.size();
}

std::string Suspensions::why(const std::string& agent, const std::vector<std::string>& sets) const {
    if (count_.load(std::memory_order_acquire) == 0) return {};
    const std::lock_guard lock(mutex_);
    auto found = suspended_.find(agent);
    for (std::size_t i = 0; i < sets.size() && found == suspended_.end(); ++i) found = suspended_.find(sets[i]);
    if (found == suspended_.end()) return {};
    const approve::Suspension& one = found->second;
    return fmt::format("{} (by {})", one.reason.empty() ? "no reason was given" : one.reason,
                       one.by.empty() ? "assent" : one.by);
}

void Suspensions::denied(const std::string& agent, bool by_rule) {
    const auto& settings = parts_.settings;
    if (!settings.is_on || (by_rule && !settings.counts_rules)) return;
    approve::Suspension made;
    {
        const std::lock_guard lock(mutex_);
        if (suspended_.contains(agent)) return;
        const bool is_new = !denials_.contains(agent);
        // Whoever has not been denied for long enough has nothing left to be remembered.
        if (is_new && denials_.size() >= limits::agents_remembered)
            std::erase_if(denials_,
                          [&](const auto& one) { return one.second.back() + settings.within < parts_.clock.now(); });
        if (is_new && denials_.size() >= limits::agents_remembered) denials_.erase(denials_.begin());
        auto& times = denials_[agent];
        times.push_back(parts_.clock.now());
        while (times.front() + settings.within < times.back()) times.pop_front();
        if (times.size() < settings.denials) return;
        denials_.erase(agent);
        made.agent = agent;
        made.reason = fmt::format("{} denials within {} s", settings.denials, settings.within.count());
        made.since = parts_.clock.wall();
        keep(made);  // at once: what it sends next is refused, while the disk is waited for
    }
    parts_.later([this, made] {
        if (const auto stored = parts_.desk.suspend(made); !stored)
            spdlog::error("suspending {}: {}; it ends with this daemon", made.agent, stored.error().message);
        parts_.tell(made);
    });
}

Result<> Suspensions::suspend(const approve::Suspension& suspension) {
    {
        const std::lock_guard lock(mutex_);
        if (suspended_.size() >= limits::suspensions && !suspended_.contains(suspension.agent))
            return fail(Errc::limit, "too many agents are suspended; resume some first");
    }
    if (auto stored = parts_.desk.suspend(suspension); !stored) return stored;
    const std::lock_guard lock(mutex_);
    keep(suspension);
    return {};
}

Result<> Suspensions::resume(const std::string& agent) {
    const auto stored = parts_.desk.resume(agent);
    const std::lock_guard lock(mutex_);
    // One that could not be stored is in memory only.
    const bool was_kept = suspended_.erase(agent) > 0;
    count_ = suspended_.size();
    denials_.erase(agent);
    if (!stored && !was_kept) return stored;
    return {};
}

std::vector<approve::Suspension> Suspensions::list() const {
    const std::lock_guard lock(mutex_);
    std::vector<approve::Suspension> out;
    for (const auto& [agent, suspension] : suspended_) out.push_back(suspension);
    return out;
}

}  // namespace assent::app

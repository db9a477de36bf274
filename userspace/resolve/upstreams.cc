#include "resolve/upstreams.h"

#include <algorithm>

#include "base/limits.h"

namespace assent::resolve {

UpstreamStatus* Upstreams::find(const model::Endpoint& address) {
    const auto found = std::ranges::find(known_, address, &UpstreamStatus::address);
    return found == known_.end() ? nullptr : &*found;
}

void Upstreams::set(const std::vector<model::Endpoint>& addresses) {
    const std::lock_guard lock(mutex_);
    std::vector<UpstreamStatus> next;
    for (const auto& address : addresses) {
        if (next.size() == limits::dns_resolvers) break;
        UpstreamStatus made;
        made.address = address;
        const auto* old = find(address);
        next.push_back(old != nullptr ? *old : made);
    }
    known_ = std::move(next);
}

std::vector<model::Endpoint> Upstreams::in_order(const model::Endpoint& wanted) const {
    const std::lock_guard lock(mutex_);
    std::vector<const UpstreamStatus*> order;
    for (const auto& one : known_) order.push_back(&one);
    // Equal ones stay as the host lists them.
    std::ranges::sort(order, {}, [&](const UpstreamStatus* one) {
        return std::pair(!one->is_healthy() ? 2 : one->address == wanted ? 0 : 1, one);
    });
    std::vector<model::Endpoint> out;
    for (const auto* one : order) out.push_back(one->address);
    return out;
}

void Upstreams::asked(const model::Endpoint& address) {
    const std::lock_guard lock(mutex_);
    if (auto* one = find(address)) ++one->asked;
}

void Upstreams::answered(const model::Endpoint& address, Duration time) {
    const std::lock_guard lock(mutex_);
    auto* one = find(address);
    if (one == nullptr) return;
    ++one->answered;
    one->in_a_row = 0;
    one->last_time_us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

void Upstreams::failed(const model::Endpoint& address, std::string_view why) {
    const std::lock_guard lock(mutex_);
    auto* one = find(address);
    if (one == nullptr) return;
    ++one->failed;
    ++one->in_a_row;
    one->last_failure = why;
}

std::vector<UpstreamStatus> Upstreams::status() const {
    const std::lock_guard lock(mutex_);
    return known_;
}

}  // namespace assent::resolve

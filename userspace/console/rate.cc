#include "console/rate.h"

#include <algorithm>
#include <chrono>

namespace assent::console {
namespace {

constexpr std::string_view everybody_else = "*";

double seconds_between(Moment from, Moment to) { return std::chrono::duration<double>(to - from).count(); }

}  // namespace

void Rate::forget_full(Moment now) {
    std::erase_if(buckets_, [&](const auto& each) {
        return each.second.left + seconds_between(each.second.filled, now) * per_second_ >= at_once_;
    });
}

bool Rate::take(std::string_view key) {
    const Moment now = clock_.now();
    const std::scoped_lock lock(mutex_);
    auto found = buckets_.find(key);
    if (found == buckets_.end()) {
        if (buckets_.size() >= keys_) forget_full(now);
        const auto own = buckets_.size() < keys_ ? key : everybody_else;
        found = buckets_.try_emplace(std::string(own), Bucket{at_once_, now}).first;
    }
    Bucket& bucket = found->second;
    bucket.left = std::min(at_once_, bucket.left + seconds_between(bucket.filled, now) * per_second_);
    bucket.filled = now;
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
}

}  // namespace assent::console

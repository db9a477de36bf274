// So much a second and key, so much a second in all; what is over is counted. Thread: one.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>

#include "base/time.h"

namespace assent::app {

class RateLimit {
public:
    RateLimit(std::size_t each, std::size_t all) : each_(each), all_(all) {}

    // May one more of this key pass now.
    [[nodiscard]] bool admits(std::uint64_t key, Moment now) {
        const auto second = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
        if (second != second_) {
            second_ = second;
            total_ = 0;
            counts_.clear();
        }
        if (total_ < all_ && counts_[key] < each_) {
            ++total_;
            ++counts_[key];
            return true;
        }
        ++left_out_;
        return false;
    }
    // How many were left out since this was last asked.
    [[nodiscard]] std::uint64_t take_left_out() { return std::exchange(left_out_, 0); }

private:
    std::size_t each_;
    std::size_t all_;
    std::int64_t second_ = 0;
    std::size_t total_ = 0;
    std::uint64_t left_out_ = 0;
    std::unordered_map<std::uint64_t, std::size_t> counts_;  // at most all_ entries
};

}  // namespace assent::app

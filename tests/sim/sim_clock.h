// The simulated world's clock and its dice: one seed decides everything that happens.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>

#include "base/time.h"

namespace assent::sim {

class Dice {
public:
    explicit Dice(std::uint64_t seed) : engine_(seed) {}
    // 0 … below-1
    std::size_t roll(std::size_t below) { return static_cast<std::size_t>(engine_() % below); }
    bool one_in(std::size_t n) { return roll(n) == 0; }

private:
    std::mt19937_64 engine_;
};

// Things to do at simulated moments, in order.
class World final : public Clock {
public:
    Moment now() const override { return now_; }
    WallTime wall() const override {
        return WallTime(std::chrono::seconds(1'800'000'000)) +
               std::chrono::duration_cast<WallTime::duration>(now_.time_since_epoch());
    }

    void after(Duration delay, std::function<void()> what) { due_.emplace(now_ + delay, std::move(what)); }
    // False: nothing is left to do.
    bool step() {
        if (due_.empty()) return false;
        auto next = due_.extract(due_.begin());
        now_ = next.key();
        next.mapped()();
        return true;
    }

private:
    Moment now_{std::chrono::hours(1)};
    std::multimap<Moment, std::function<void()>> due_;
};

}  // namespace assent::sim

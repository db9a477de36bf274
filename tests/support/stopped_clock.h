// A clock that tests move.
#pragma once

#include "base/time.h"

namespace assent::support {

class StoppedClock final : public Clock {
public:
    [[nodiscard]] Moment now() const override { return Moment(std::chrono::hours(1000)) + moved_; }
    [[nodiscard]] WallTime wall() const override {
        return WallTime(std::chrono::seconds(1'800'000'000)) + std::chrono::duration_cast<WallTime::duration>(moved_);
    }
    void move(Duration by) { moved_ += by; }

private:
    Duration moved_{};
};

}  // namespace assent::support

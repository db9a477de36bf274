// How often somebody may ask: a bucket of tokens for each key, refilled over time. Thread: any.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/time.h"

namespace assent::console {

class Rate {
public:
    // `at_once` requests, then `per_second`. Of more than `keys` keys the rest share one bucket.
    Rate(const Clock& clock, double per_second, double at_once, std::size_t keys)
        : clock_(clock), per_second_(per_second), at_once_(at_once), keys_(keys) {}
    // Takes one; false: there is none left.
    [[nodiscard]] bool take(std::string_view key);

private:
    struct Bucket {
        double left = 0;
        Moment filled;
    };
    void forget_full(Moment now);

    const Clock& clock_;
    double per_second_;
    double at_once_;
    std::size_t keys_;
    std::mutex mutex_;
    std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace assent::console

// Counts agents' commands for the limits of rules. A limit's time is counted in sixty parts by the wall clock; a part goes
// when all of it is older, so a little more than that time is looked at and never less. Thread: any.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "approve/suspension.h"
#include "base/time.h"
#include "model/verdict.h"

namespace assent::app {

class RuleLimits {
public:
    explicit RuleLimits(const Clock& clock) : clock_(clock) {}

    // What was saved before.
    void load(const std::vector<approve::LimitCount>& counts);
    // Counts one command of the agent under each of the limits and gives those that it is over; then none is counted. Also
    // over: one for which there is no room to count.
    [[nodiscard]] std::vector<model::RuleLimit> count(const std::string& agent, const std::vector<model::RuleLimit>& limits);
    // What has been counted and still matters. has_changed(): since the last time.
    [[nodiscard]] std::vector<approve::LimitCount> save();
    [[nodiscard]] bool has_changed() const;

private:
    struct Window {
        std::int64_t part_us = 0;
        std::int64_t first_part = 0;
        std::vector<std::uint32_t> counts;  // from the first part on, sixty-one at most

        void advance(std::int64_t part);
        [[nodiscard]] std::uint64_t sum() const;
    };
    using Key = std::pair<std::string, std::string>;  // agent and rule

    [[nodiscard]] Window* window_of(const Key& key, const model::RuleLimit& limit);
    void forget_old();

    const Clock& clock_;
    mutable std::mutex mutex_;
    std::map<Key, Window> windows_;
    bool has_changed_ = false;
};

}  // namespace assent::app

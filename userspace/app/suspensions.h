// Agents that may do nothing until a person resumes them: because a person said so, or because they were denied too often.
// Asked on every command, so it is answered from memory; the desk keeps it over restarts. Thread: any.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "approve/desk.h"
#include "base/time.h"
#include "policy/settings.h"

namespace assent::app {

class Suspensions {
public:
    struct Parts {
        approve::Desk& desk;  // lives longer
        policy::Settings::Suspend settings;
        const Clock& clock;
        // Does it soon, on a thread that may wait for the disk.
        std::function<void(std::function<void()>)> later;
        // Tells of a suspension that assent made itself: log, journal, whoever wants to be notified. On that thread.
        std::function<void(const approve::Suspension&)> tell;
    };

    // Takes those of the desk.
    explicit Suspensions(Parts parts);

    // Why the agent of this name, in these sets of the policy, is suspended; empty: it is not.
    [[nodiscard]] std::string why(const std::string& agent, const std::vector<std::string>& sets) const;
    // The agent was denied, by a person or a rule; suspends it where that was once too often.
    void denied(const std::string& agent, bool by_rule);

    // Stored when they return. `suspend` of one that is suspended replaces the reason.
    [[nodiscard]] Result<> suspend(const approve::Suspension& suspension);
    [[nodiscard]] Result<> resume(const std::string& agent);
    [[nodiscard]] std::vector<approve::Suspension> list() const;

private:
    void keep(const approve::Suspension& suspension);  // under the mutex

    Parts parts_;
    mutable std::mutex mutex_;
    std::map<std::string, approve::Suspension> suspended_;
    std::atomic<std::size_t> count_ = 0;  // of suspended_: nearly always 0, and then no lock is taken
    std::map<std::string, std::deque<Moment>> denials_;
};

}  // namespace assent::app

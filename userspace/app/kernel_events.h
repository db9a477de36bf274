// A thread that reads what the kernel's hooks tell: refused attempts are recorded, so many a second; it also makes true
// again what is governed, and looks up the names of targets.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "app/attempts.h"
#include "app/earlier_tally.h"
#include "app/rate_limit.h"
#include "base/limits.h"
#include "kernel/redirect.h"
#include "model/kept_records.h"
#include "model/record.h"
#include "policy/policy.h"
#include "resolve/learned_names.h"

namespace assent::app {

class KernelEvents {
public:
    struct Parts {
        kernel::Redirect& redirect;  // all of them live longer
        resolve::LearnedNames& names;
        model::RecordSink& records;
        std::function<void(model::Agent&)> complete_agent;                      // adds what is known of its run
        std::function<std::shared_ptr<const policy::Policy>()> current_policy;  // whose targets' names are looked up
        std::function<void()> every_second;                                     // on this thread
        std::function<void(const kernel::Event&)> network_asked;                // of asks_for_network
        std::function<std::vector<std::string>()> network_failures;  // in sentences; asked once a second, on this thread
    };
    explicit KernelEvents(Parts parts) : parts_(std::move(parts)) {}
    ~KernelEvents() { stop(); }
    KernelEvents(const KernelEvents&) = delete;
    KernelEvents& operator=(const KernelEvents&) = delete;

    void start();
    void stop();
    // After stop(): how many records the log did not take.
    [[nodiscard]] std::size_t kept_count() const noexcept { return kept_.count(); }
    // What agents have tried, for `assent status`. Thread: any.
    [[nodiscard]] nlohmann::json describe_attempts() const { return attempts_.describe(); }
    // Sockets from before agents were governed, for `assent status`. Thread: any.
    [[nodiscard]] nlohmann::json describe_earlier() const { return earlier_.describe(); }
    // The policy is new: its targets' names are looked up soon. Thread: any.
    void look_up_names() { is_lookup_wanted_ = true; }

private:
    void run();
    void attempt(const kernel::Event& event);
    void look_after();
    void record_left_out(bool is_last);
    void record_earlier();
    void record_degraded(const std::string& sentence, bool is_repaired);
    void record(std::string_view type, const std::string& members);

    Parts parts_;
    model::KeptRecords kept_{limits::records_kept};  // its thread only
    Attempts attempts_;
    EarlierTally earlier_;
    std::uint64_t lost_before_ = 0;
    std::atomic<bool> is_stopping_ = false;
    std::atomic<bool> is_lookup_wanted_ = false;
    std::thread thread_;
    std::thread resolver_;  // looking names up blocks, and must not delay the events
};

}  // namespace assent::app

// One thread of the proxy: a loop, its listeners, and the flows that live and die on it. Nothing is shared with other
// workers on the way of a byte.
#pragma once

#include <pthread.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "app/cancel_keys.h"
#include "app/flow.h"
#include "app/hold_service.h"
#include "app/last_refusals.h"
#include "app/names_generation.h"
#include "app/rule_limits.h"
#include "app/suspensions.h"
#include "app/target_tls.h"
#include "app/upstream_cancel.h"
#include "base/digest.h"
#include "base/limits.h"
#include "kernel/redirect.h"
#include "policy/policy.h"
#include "record/log.h"
#include "resolve/learned_names.h"

namespace assent::app {

// What all workers use. All of it is safe to use from several threads, and lives longer than they.
struct WorkerServices {
    // `unix_name`: of the unix socket that was asked for; empty: TCP.
    std::function<Result<kernel::Origin>(int accepted, const std::string& unix_name)> origin_of;
    // Why this agent's connections are refused; empty: they are not.
    std::function<std::string(const model::Agent& agent)> why_refused;
    std::vector<std::string> kernel_lacks;  // for each session's record
    const resolve::LearnedNames& names;
    std::function<void(Fd, const kernel::Origin&)> serve_dns;  // takes a connection to an unlisted port 53
    record::Log& log;
    HoldService& holds;
    Suspensions& suspensions;
    RuleLimits& rule_limits;
    LastRefusals& last_refusals;
    CancelKeys& cancel_keys;
    std::shared_ptr<NamesGeneration> names_generation;
    policy::Settings::Unlisted unlisted = policy::Settings::Unlisted::deny;
    bool waits_for_reads = false;
    std::filesystem::path tls_folder;
    Digest mask_key{};
};

class Worker final : public FlowHost, private HoldService::Client, private CancelOwner {
public:
    // Makes the loop; nothing runs yet.
    [[nodiscard]] static Result<std::unique_ptr<Worker>> make(WorkerServices services,
                                                              std::shared_ptr<const policy::Policy> policy);
    ~Worker() override;
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Accepts from a bound socket; before start().
    [[nodiscard]] Result<> listen(Fd socket);
    // The same of a unix socket that stands for `name`, or, without a name, of TCP. Thread: any.
    void listen_for(Fd socket, const std::string& name);
    [[nodiscard]] Result<> start();
    // Ends the thread and with it every flow; nothing may post to it after this. Idempotent.
    void stop();

    // Thread: any.
    void set_policy(std::shared_ptr<const policy::Policy> policy);
    // Of the agents in this cgroup or below it.
    void set_token(const std::string& cgroup_path, std::shared_ptr<const model::AgentToken> token);
    void drain();  // accepts no more, and ends sessions as they become idle
    // The same of the sessions that are open now, while others are still accepted.
    void retire();
    [[nodiscard]] std::size_t retiring_count() const noexcept { return retiring_count_.load(std::memory_order_relaxed); }
    // Ends what is left of those.
    void end_retiring(const std::string& by, const std::string& reason);
    // Drains, but connections wait in the listening sockets for whoever holds these too.
    void release();
    [[nodiscard]] bool is_released() const noexcept { return is_released_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t flow_count() const noexcept { return flow_count_.load(std::memory_order_relaxed); }
    // Records of what has ended that the log has not taken yet.
    [[nodiscard]] std::size_t kept_count() const noexcept { return kept_count_.load(std::memory_order_relaxed); }
    // JSON objects of the sessions; waits for the worker. And their ids only.
    [[nodiscard]] std::vector<std::string> describe_sessions();
    [[nodiscard]] std::vector<std::string> session_ids();
    void end_all(const std::string& by, const std::string& reason);
    void end_session(const std::string& session, const std::string& by, const std::string& reason);
    // Ends the sessions that run what a widened approval let through.
    void end_under(const std::string& grant, const std::string& by, const std::string& reason);

private:
    Worker(WorkerServices services, std::shared_ptr<const policy::Policy> policy);

    // FlowHost
    io::Loop& loop() override { return *loop_; }
    model::RecordSink& records() override { return *records_; }
    const Clock& clock() const override { return system_clock(); }
    void open_hold(Flow& flow, const model::HoldRequest& request) override;
    void use_hold(Flow& flow, std::string_view id) override;
    void leave_hold(Flow& flow, std::string_view id, bool is_cancelled) override;
    std::string why_suspended(const Flow& flow, const std::vector<std::string>& sets) const override;
    std::vector<model::RuleLimit> count(const Flow& flow, const std::vector<model::RuleLimit>& limits) override;
    void refused(const Flow& flow, session::Ports::RefusedBy by, const wire::Refusal& refusal,
                 std::string_view command) override;
    std::uint32_t remember_cancel_key(Flow& flow, std::uint32_t process, std::uint32_t secret) override;
    void cancel(Flow& flow, std::uint32_t process, std::uint32_t secret) override;
    Result<std::shared_ptr<tls::Context>> tls_context(const Flow& flow, Side side) override;
    void waits(Flow& flow, bool is_waiting) override;
    void ended(Flow& flow) override;
    // HoldService::Client, CancelOwner
    void hold_answered(const std::string& session, const HoldAnswer& answer) override;
    void cancel_session(const std::string& session, std::function<void(bool was_held)> answered) override;

    void run();
    void accepted(Fd socket, const std::string& unix_name);
    [[nodiscard]] Result<session::Flow> describe(const kernel::Origin& origin) const;
    void refuse(std::string_view why, const kernel::Origin* origin);
    // Records what has happened; kept until the log takes it.
    void tell(const model::RecordDraft& draft);
    void retry_kept();
    void cancel_of(Flow& flow, const CancelKey& key);
    void cancel_upstream(const std::string& id, const CancelKey& key);
    void records_moved(bool for_all);
    void round();
    void every_second();
    void drain_sessions();
    [[nodiscard]] Flow* find(const std::string& session);
    // Calls `call` with the session of that name on the worker's thread, if it is still there.
    void post_to_session(std::string session, std::function<void(session::Session&)> call);
    [[nodiscard]] std::vector<std::string> collect(std::function<std::string(const Flow&)> describe);

    WorkerServices services_;
    std::unique_ptr<io::Loop> loop_;
    model::RecordSink* records_ = nullptr;
    std::atomic<bool> has_records_moved_ = false;
    std::shared_ptr<const policy::Policy> policy_;
    std::shared_ptr<session::Cache> cache_;
    TargetTls target_tls_;

    std::unordered_map<std::string, std::unique_ptr<Flow>> flows_;
    std::unordered_map<std::string, std::size_t> flows_of_;  // by resolve::agent_key()
    std::atomic<std::size_t> flow_count_ = 0;
    std::vector<Flow*> ended_;  // destroyed at the end of the round
    std::unordered_set<Flow*> retiring_;
    std::atomic<std::size_t> retiring_count_ = 0;
    std::atomic<bool> is_released_ = false;
    std::unordered_set<Flow*> waiting_;  // those that may wait for records
    std::unordered_map<std::uint64_t, std::unique_ptr<UpstreamCancel>> cancels_;
    std::vector<std::uint64_t> finished_cancels_;
    std::uint64_t cancel_count_ = 0;
    std::unique_ptr<io::Loop::Timer> second_;
    std::size_t refusals_this_second_ = 0;
    std::size_t refusals_left_out_ = 0;
    bool is_draining_ = false;
    model::KeptRecords kept_{limits::records_kept};  // of flows that have ended, and of this worker itself
    std::atomic<std::size_t> kept_count_ = 0;

    pthread_t thread_{};
    bool is_started_ = false;
    std::atomic<bool> may_end_ = false;
};

}  // namespace assent::app

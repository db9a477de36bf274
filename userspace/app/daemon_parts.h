// The parts of a running daemon. Members are made from the top down and destroyed from the bottom up.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/agent_tokens.h"
#include "app/api_tokens.h"
#include "app/cancel_keys.h"
#include "app/handover.h"
#include "app/hold_requests.h"
#include "app/hold_service.h"
#include "app/issuers.h"
#include "app/kernel_events.h"
#include "app/lookups.h"
#include "app/names_generation.h"
#include "app/notices.h"
#include "app/policy_keeper.h"
#include "app/state_folder.h"
#include "app/unix_doors.h"
#include "app/upgrade.h"
#include "app/worker.h"
#include "approve/desk.h"
#include "base/limits.h"
#include "control/server.h"
#include "kernel/networks.h"
#include "kernel/redirect.h"
#include "kernel/runs.h"
#include "record/log.h"
#include "resolve/learned_names.h"

namespace assent::app {

class Daemon {
public:
    // `handover` lives longer: sockets are taken from it, and kept in it for the program after this one. `failed_upgrade`:
    // why that one could not be started, and this one was again; empty otherwise.
    Daemon(const policy::Settings& settings, Handover& handover, const Program& program, std::string failed_upgrade);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // Each step of the start, in this order; the first error ends it.
    [[nodiscard]] Result<> start();
    void reload();
    // Once a second, on the main thread.
    void look_after();
    // Accepts no more, lets sessions come to an idle moment, ends what is left after limits::drain_timeout, and stops.
    void stop();

    // Checks the program that is to come. Errc::invalid: what it says is wrong. Thread: any.
    [[nodiscard]] Result<> check_upgrade() const;
    // Asked for on the control socket, and not begun.
    [[nodiscard]] bool is_upgrade_wanted() const noexcept { return is_upgrade_wanted_; }
    // stop(), but nobody is refused: sessions that are open may end while others come, for as long as was asked for; then
    // connections wait in the listening sockets, and handover has them. False: a signal to stop came first, and nothing is
    // handed over.
    [[nodiscard]] bool hand_over();

private:
    [[nodiscard]] bool drain_for_upgrade();
    void release_all();
    void add_upgrade_request();
    [[nodiscard]] Result<> open_records();
    [[nodiscard]] Result<> open_kernel();
    [[nodiscard]] Result<> open_lookups();
    [[nodiscard]] Result<> open_workers();
    [[nodiscard]] Result<> open_listeners();
    [[nodiscard]] Result<> open_port(std::uint16_t port, bool is_v6);
    [[nodiscard]] Result<> govern();
    void open_networks();
    [[nodiscard]] Result<> open_control();

    [[nodiscard]] Result<> record(const model::RecordDraft& draft) const { return log_->append_and_wait(draft); }
    [[nodiscard]] Result<> open_identity();
    [[nodiscard]] Result<> record_start() const;
    // Of the daemon before, when it did not stop in order.
    [[nodiscard]] Result<> record_end_before() const;
    void end_sessions(std::string_view why);
    void stop_threads();
    void close_records();
    [[nodiscard]] nlohmann::json describe() const;
    [[nodiscard]] std::vector<nlohmann::json> live_sessions() const;
    [[nodiscard]] Result<std::string> end_session(const std::string& session, const std::string& by,
                                                  const std::string& reason) const;
    [[nodiscard]] std::size_t flow_count() const;
    void describe_agent(model::Agent& agent) const;
    // This host cannot contain such an agent, and the settings do not accept that; empty: it can.
    [[nodiscard]] std::string why_refused(const model::Agent& agent) const;
    void add_permissions(const model::Agent& agent, nlohmann::json& answer) const;
    // Everything that the console, the notifier and programs ask for.
    [[nodiscard]] Result<> add_console_requests();
    void add_reload_request();
    // Holds and what keeps agents from wearing people out: before the workers.
    [[nodiscard]] Result<> open_holds();
    void save_limits();
    void tell_of(const approve::Suspension& suspension);
    // What of `assent status` is about holds, approvals and suspended agents.
    void describe_people(nlohmann::json& answer) const;
    [[nodiscard]] DecideLists deciders() const;

    const policy::Settings& settings_;
    WallTime started_;
    Digest mask_key_{};
    std::vector<std::uint16_t> ports_;
    std::vector<std::string> lacks_;  // what this host cannot do, beside what the kernel side says
    bool has_ipv6_ = true;
    bool is_stopped_ = false;
    Handover& handover_;
    const Program& program_;
    std::string failed_upgrade_;
    std::atomic<bool> is_upgrade_wanted_ = false;
    std::atomic<std::chrono::seconds> upgrade_drain_ = limits::upgrade_drain;
    RunNote run_note_;

    std::unique_ptr<record::Log> log_;
    std::unique_ptr<approve::Desk> desk_;
    std::unique_ptr<Suspensions> suspensions_;  // its tasks run on the service's thread, which ends first
    RuleLimits rule_limits_{system_clock()};
    LastRefusals last_refusals_;
    std::unique_ptr<HoldService> holds_;
    PolicyKeeper policies_;
    Notices notices_;
    std::unique_ptr<ApiTokens> api_tokens_;
    resolve::LearnedNames learned_names_;
    std::unique_ptr<kernel::Redirect> redirect_;
    std::unique_ptr<kernel::Runs> runs_;
    std::unique_ptr<Issuers> issuers_;
    std::unique_ptr<AgentTokens> tokens_;
    std::unique_ptr<Lookups> lookups_;
    CancelKeys cancel_keys_;
    std::shared_ptr<NamesGeneration> names_generation_ = std::make_shared<NamesGeneration>();
    std::vector<std::unique_ptr<Worker>> workers_;
    std::unique_ptr<UnixDoors> unix_doors_;
    std::unique_ptr<kernel::Networks> networks_;
    std::unique_ptr<KernelEvents> events_;
    std::unique_ptr<control::Server> control_;
};

}  // namespace assent::app

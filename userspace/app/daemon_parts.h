// The parts of a running daemon. Members are made from the top down and destroyed from the bottom up.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/cancel_keys.h"
#include "app/hold_service.h"
#include "app/kernel_events.h"
#include "app/lookups.h"
#include "app/names_generation.h"
#include "app/policy_keeper.h"
#include "app/state_folder.h"
#include "app/unix_doors.h"
#include "app/worker.h"
#include "approve/desk.h"
#include "control/server.h"
#include "kernel/networks.h"
#include "kernel/redirect.h"
#include "kernel/runs.h"
#include "record/log.h"
#include "resolve/learned_names.h"

namespace assent::app {

class Daemon {
public:
    explicit Daemon(const policy::Settings& settings);
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

private:
    [[nodiscard]] Result<> open_records();
    [[nodiscard]] Result<> open_kernel();
    [[nodiscard]] Result<> open_lookups();
    [[nodiscard]] Result<> open_workers();
    [[nodiscard]] Result<> open_listeners(Worker& worker);
    [[nodiscard]] Result<> govern();
    void open_networks();
    [[nodiscard]] Result<> open_control();

    [[nodiscard]] Result<> record(const model::RecordDraft& draft) const { return log_->append_and_wait(draft); }
    [[nodiscard]] Result<> record_start() const;
    // Of the daemon before, when it did not stop in order.
    [[nodiscard]] Result<> record_end_before() const;
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
    void add_policy_requests();

    const policy::Settings& settings_;
    WallTime started_;
    Digest mask_key_{};
    std::vector<std::uint16_t> ports_;
    std::vector<std::string> lacks_;  // what this host cannot do, beside what the kernel side says
    bool has_ipv6_ = true;
    bool is_stopped_ = false;
    RunNote run_note_;

    std::unique_ptr<record::Log> log_;
    std::unique_ptr<approve::Desk> desk_;
    std::unique_ptr<HoldService> holds_;
    PolicyKeeper policies_;
    resolve::LearnedNames learned_names_;
    std::unique_ptr<kernel::Redirect> redirect_;
    std::unique_ptr<kernel::Runs> runs_;
    std::unique_ptr<Lookups> lookups_;
    CancelKeys cancel_keys_;
    NamesGenerations generations_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::unique_ptr<UnixDoors> unix_doors_;
    std::unique_ptr<kernel::Networks> networks_;
    std::unique_ptr<KernelEvents> events_;
    std::unique_ptr<control::Server> control_;
};

}  // namespace assent::app

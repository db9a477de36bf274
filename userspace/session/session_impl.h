// The one implementation of Session: session.cc is its life, ruling.cc decides on commands, outcomes.cc sees how they end.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "session/approved_command.h"
#include "session/judge.h"
#include "session/last_commands.h"
#include "session/recorder.h"
#include "session/running.h"
#include "session/session.h"
#include "wire/adapter.h"

namespace assent::session {

// One command at a time waits: for names, for people, for the disk.
struct Pending {
    enum class Stage : std::uint8_t { fresh, estimating, holding, using_hold, recording };
    enum class Planning : std::uint8_t { fresh, is_asked_about, is_harmless, is_asked_for, done };
    wire::CommandId id = 0;
    Stage stage = Stage::fresh;
    unsigned asked = 0;                         // questions put to the server for it
    unsigned begun_anew = 0;                    // since names changed between two of them
    bool names_keep_changing = false;           // more often than that, or behind the transaction's snapshot
    std::shared_ptr<const sql::Parsed> parsed;  // null: not SQL, or a statement of which nothing is known
    std::shared_ptr<const Judged> judged;
    model::RecordTicket ticket = 0;
    bool is_recorded = false;
    bool is_counted = false;  // by the limits of its rules
    Digest digest{};
    Planning planning = Planning::fresh;
    model::Estimate estimate;
    std::vector<model::HoldApproval> approvals;  // that the hold was opened for
    bool is_unsettled = false;                   // settings were on their way to the server when the hold was opened
    unsigned asked_again = 0;                    // for its names, once it was approved
    std::optional<model::HoldStatus> hold;
    std::string hold_error;
    std::optional<bool> hold_was_free;
    std::optional<wire::Refusal> refusal;  // said in place of the rules' own
    Moment wait_until{};
    bool is_cancelled = false;
};

class SessionImpl final : public Session, private wire::Host {
public:
    SessionImpl(Flow flow, std::shared_ptr<const policy::Policy> policy, std::shared_ptr<Cache> cache, Ports& ports);

    void open() override;
    std::size_t received(Side side, Bytes bytes) override;
    bool wants(Side side) const override;
    void closed(Side side) override;
    void failed(Side side, std::string_view why) override;
    void target_connected() override;
    void target_failed(std::string_view why) override;
    void tls_ready(Side side) override;
    void tls_failed(Side side, std::string_view why) override;
    void records_moved() override;
    void hold_changed(const model::HoldStatus& status) override;
    void hold_failed(std::string_view why) override;
    void hold_used(bool was_free) override;
    void grant_revoked(std::string_view grant, std::string_view by, std::string_view reason) override;
    void policy_changed(std::shared_ptr<const policy::Policy> policy) override;
    void token_changed(std::shared_ptr<const model::AgentToken> token) override;
    bool cancel_requested() override;
    void tick() override;
    void end(std::string_view by, std::string_view reason) override;
    void drain() override;
    bool is_over() const override { return is_over_; }
    std::string describe() const override;
    model::KeptRecords leave_records() override { return recorder_.leave(); }

private:
    // wire::Host
    void send(Side side, Bytes bytes) override;
    wire::Ruling rule(const wire::CommandSeen& command) override;
    void answered(std::vector<sql::Row> rows) override;
    void result_seen(wire::CommandId id, Bytes bytes) override;
    void finished(const wire::Outcome& outcome) override;
    void connect_target() override;
    void start_tls(Side side) override;
    void shut(Side side) override { ports_.shut(side); }
    std::optional<sql::Question> ready() override;
    std::uint32_t backend_key(std::uint32_t process, std::uint32_t secret) override;
    void cancel_requested(std::uint32_t process, std::uint32_t secret) override;
    void authenticated(std::string_view method) override;
    void setting_changed(std::string_view name, std::string_view value) override;
    void transaction_status(char status) override;
    void statement_closed(std::string_view name) override;
    void portal_closed(std::string_view name) override;
    void close(std::string why, bool is_violation) override;

    // ruling.cc
    wire::Ruling rule_startup(const wire::CommandSeen& command);
    // What the settings and the target say of a start-up, whatever the rules do.
    void overrule_startup(Judged& judged);
    // In place of what the rules say.
    void overrule(Judged& judged, model::Decision decision, const std::string& message) const;
    wire::Ruling rule_execute(const wire::CommandSeen& command);
    wire::Ruling rule_fresh(const wire::CommandSeen& command);
    wire::Ruling rule_held(const wire::CommandSeen& command);
    wire::Ruling rule_recorded(const wire::CommandSeen& command);
    wire::Ruling ask(sql::Question question);
    wire::Ruling decide(const wire::CommandSeen& command);
    wire::Ruling hold(const wire::CommandSeen& command);
    wire::Ruling record_and_forward(const wire::CommandSeen& command);
    wire::Ruling release(const wire::CommandSeen& command);
    wire::Ruling forward(const wire::CommandSeen& command);
    using RefusedBy = Ports::RefusedBy;
    wire::Ruling refuse(const wire::CommandSeen& command, wire::Refusal refusal, RefusedBy by = RefusedBy::other);
    // What is said of the agent, whatever the rules say of the command: it is suspended, or over a rule's limit.
    void add_grant(const std::string& grant);
    void apply_suspension();
    void apply_limits(const wire::CommandSeen& command);
    [[nodiscard]] bool is_idle() const;
    [[nodiscard]] std::shared_ptr<const sql::Parsed> text_of(const wire::CommandSeen& command);
    [[nodiscard]] std::shared_ptr<const Judged> judge_anew(const wire::CommandSeen& command);
    [[nodiscard]] bool has_known_lexing(std::string_view text) const;
    [[nodiscard]] bool must_be_durable(const wire::CommandSeen& command, const Judged& judged) const;
    // Empty: recorded (or nothing to record); otherwise what to do instead.
    [[nodiscard]] std::optional<wire::Ruling> record_command(const wire::CommandSeen& command, bool is_urgent);
    void write_members(std::string& members, const wire::CommandSeen& command, const Judged& judged) const;
    // The text, or what of it may be recorded, which is then in `changed`. `parsed` is null when it is not SQL, or not
    // known.
    [[nodiscard]] std::string_view recorded_text(std::string_view text, const sql::Parsed* parsed, const Judged& judged,
                                                 std::string& changed) const;
    void write_parameters(std::string& out, std::span<const wire::Parameter> parameters, const Judged& judged) const;
    // What the pending command says, for its digest and its reviewers.
    [[nodiscard]] std::string_view shown_text_of(const wire::CommandSeen& command) const;
    void make_scope(std::string_view database);
    [[nodiscard]] Place place() const;
    // The same of the command that waits.
    [[nodiscard]] Place place_of_pending(const Judged& judged) const;

    // estimate.cc
    // Asks the planner, step by step; nothing when there is no more to ask, and the estimate is as good as it gets.
    [[nodiscard]] std::optional<wire::Ruling> estimate(const wire::CommandSeen& command);
    // The question for its names, which may lead elsewhere by now; nothing when they are known, or cannot be asked for.
    [[nodiscard]] std::optional<wire::Ruling> ask_names_again(const wire::CommandSeen& command);
    [[nodiscard]] Result<sql::Question> planning_question(const wire::CommandSeen& command) const;
    void estimate_answered(const std::vector<sql::Row>& rows);

    // token.cc
    // Empty: its token is good, or it needs none; else why not.
    [[nodiscard]] std::string why_no_token() const;
    // The same as a refusal, but for what may still be finished.
    [[nodiscard]] std::optional<wire::Refusal> token_refusal(const wire::CommandSeen& command) const;
    [[nodiscard]] std::vector<std::string> sets_of_agent() const;
    void end_relay_without_token();
    // When the token expires; never, without one.
    [[nodiscard]] Moment token_expiry() const;

    // names.cc
    // Names that were learned are good no more when another session changes them.
    void heed_other_sessions(const wire::CommandSeen& command, bool is_first_question);
    void heed_changes(const Judged& judged);                    // of what goes to the server now
    [[nodiscard]] bool announce_changes(const Judged& judged);  // to other sessions; false: there are none
    void announce_end_of_changes();
    void begin_transaction_anew();

    // outcomes.cc
    void settle(const Running& running, const wire::Outcome& outcome);
    void record_outcome(const Running& running, const wire::Outcome& outcome);
    void remember(const Running& running);

    [[nodiscard]] std::string target_name() const { return flow_.target.has_value() ? flow_.target->name : "unlisted"; }
    void tell_event(std::string_view event, std::string_view detail);
    void set_wake();
    void leave_hold(bool is_cancelled);
    void finish(std::string_view why, bool is_violation);

    Flow flow_;
    Ports& ports_;
    std::shared_ptr<const policy::Policy> policy_;
    std::vector<std::string> agent_sets_;
    Recorder recorder_;
    Judge judge_;
    std::shared_ptr<Cache> scratch_;  // its buffers, which no two sessions of a thread use at once
    std::unique_ptr<wire::Adapter> adapter_;

    std::string database_;
    std::string user_;
    std::optional<Pending> pending_;
    RunningCommands running_;
    LastCommands before_;
    WallTime transaction_began_{};                    // of the open one; nothing when none is
    std::vector<std::string> grants_in_transaction_;  // that let something through in the transaction that is open
    char status_ = 'I';
    bool has_conforming_strings_ = true;
    bool has_safe_encoding_ = true;
    std::string encoding_ = "UTF8";  // that the server speaks
    Reading reading_;
    wire::CommandId last_judged_ = 0;
    bool has_stepped_ = false;        // a BEGIN, COMMIT or the like went out since: status_ may be old
    bool has_written_ = false;        // in this transaction
    bool has_changed_names_ = false;  // in this transaction
    bool has_changed_shared_names_ = false;
    bool is_changing_shared_names_ = false;  // with a command that is under way
    bool has_old_snapshot_ = false;          // others changed names since the open transaction began
    std::uint64_t names_generation_ = 0;

    bool is_authenticated_ = false;
    bool is_detecting_ = false;  // waits for the agent's first bytes, to refuse it in its own protocol
    bool is_waiting_for_token_ = false;
    bool is_draining_ = false;
    bool is_over_ = false;
    Moment opened_{};
    std::uint64_t command_count_ = 0;  // recorded ones
    std::uint64_t bytes_from_agent_ = 0;
    std::uint64_t bytes_from_target_ = 0;
};

}  // namespace assent::session

// A twin of the shell around a session: streams with delays and cuts, a log that lags, fills up and fails, people who answer
// holds or do not. Everything it does is rolled from the seed; everything it is told is checked.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "session/session.h"
#include "sim/sim_clock.h"
#include "sim/sim_server.h"

namespace assent::sim {

using session::Side;

class Sink final : public model::RecordSink {
public:
    Sink(World& world, Dice& dice, std::function<void()> moved) : world_(world), dice_(dice), moved_(std::move(moved)) {}

    Result<model::RecordTicket> append(const model::RecordDraft& draft) override;
    model::RecordTicket durable() const noexcept override { return durable_; }
    bool is_available() const noexcept override { return is_available_; }

    // How many records of type `command` have this text; of those that are on disk, or of all.
    [[nodiscard]] std::size_t commands_with(std::string_view text, bool is_on_disk) const;
    [[nodiscard]] std::size_t count(std::string_view type) const;
    void fail_for(Duration how_long);
    void fill_for(Duration how_long);

private:
    struct Entry {
        std::string type;
        std::string text;
    };
    World& world_;
    Dice& dice_;
    std::function<void()> moved_;
    std::vector<Entry> entries_;
    model::RecordTicket durable_ = 0;
    bool is_available_ = true;
    bool is_full_ = false;
};

class Shell final : public session::Ports {
public:
    Shell(World& world, Dice& dice, std::shared_ptr<const policy::Policy> policy);

    // What the agent's side of the wire does.
    void agent_sends(std::string_view bytes);
    void agent_closes();
    void agent_resets();
    std::function<void(std::string_view)> agent_receives;
    std::function<void()> agent_sees_end;

    void send(Side side, Bytes bytes) override;
    void connect_target() override;
    void start_tls(Side) override {}
    void shut(Side side) override;
    void close_all() override;
    model::RecordSink& records() override { return sink_; }
    void open_hold(const model::HoldRequest& request) override;
    void use_hold(std::string_view id) override;
    void leave_hold(std::string_view id, bool is_cancelled) override;
    std::uint32_t remember_cancel_key(std::uint32_t, std::uint32_t secret) override { return secret ^ 1U; }
    void cancel(std::uint32_t, std::uint32_t) override {}
    void names_are_changing() override {}
    std::uint64_t names_have_changed() override { return ++names_generation_; }
    bool others_change_names() const override { return false; }
    std::uint64_t names_generation() const override { return names_generation_; }
    const Clock& clock() const override { return world_; }
    void wake_at(Moment when) override;

    [[nodiscard]] session::Session& session() { return *session_; }
    [[nodiscard]] Sink& sink() { return sink_; }
    [[nodiscard]] bool is_over() const { return session_->is_over(); }
    [[nodiscard]] bool is_all_told() const { return is_gone_ && left_.is_empty(); }
    [[nodiscard]] const std::vector<std::string>& ran() const { return ran_; }
    // Held commands with an estimate by the server's planner, and without.
    [[nodiscard]] std::size_t planned() const { return planned_; }
    [[nodiscard]] std::size_t unplanned() const { return unplanned_; }
    // For the message of a failure.
    [[nodiscard]] std::string describe() const;
    [[nodiscard]] bool was_approved(const std::string& text) const { return approved_.contains(text); }

private:
    void pump(Side side);
    void records_moved();
    void deliver_to_server();
    void deliver_to_agent();
    void answer_hold(const std::string& id, const std::string& text);
    void server_ran(std::string_view text);
    Duration soon() { return std::chrono::microseconds(dice_.roll(2000)); }

    World& world_;
    Dice& dice_;
    Sink sink_;
    Server server_;
    std::unique_ptr<session::Session> session_;
    std::string to_agent_, to_target_;  // on their way out
    std::string under_way_from_agent_, under_way_from_target_;
    std::string from_agent_, from_target_;  // arrived, not yet taken
    bool is_closed_ = false;
    bool is_gone_ = false;  // the flow is destroyed; what its session had not recorded is in left_
    model::KeptRecords left_;
    bool agent_has_closed_ = false;
    bool has_server_closed_ = false;
    bool close_was_told_ = false;
    std::uint64_t names_generation_ = 0;
    std::size_t holds_ = 0;
    std::size_t planned_ = 0;
    std::size_t unplanned_ = 0;
    std::string held_text_;
    std::set<std::string> approved_;
    std::vector<std::string> ran_;
};

}  // namespace assent::sim

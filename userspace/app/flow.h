// One intercepted connection: the session's ports, over two streams with or without TLS. It reads a side only while the
// session wants it and the other side's queue is not full, and offers what was left again after each call of the session.
// Thread: its worker's. The worker destroys it some time after FlowHost::ended(), never inside a callback.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/flow_end.h"
#include "app/names_generation.h"
#include "io/loop.h"
#include "kernel/unix_socket.h"
#include "session/session.h"
#include "tls/tls.h"

namespace assent::app {

class Flow;
using session::Side;

// What a flow needs of its worker. Answers about holds come back through Flow::session_call().
class FlowHost {
public:
    virtual ~FlowHost() = default;
    [[nodiscard]] virtual io::Loop& loop() = 0;
    [[nodiscard]] virtual model::RecordSink& records() = 0;
    [[nodiscard]] virtual const Clock& clock() const = 0;
    virtual void open_hold(Flow& flow, const model::HoldRequest& request) = 0;
    virtual void use_hold(Flow& flow, std::string_view id) = 0;
    virtual void leave_hold(Flow& flow, std::string_view id, bool is_cancelled) = 0;
    // As of session::Ports.
    [[nodiscard]] virtual std::string why_suspended(const Flow& /*flow*/, const std::vector<std::string>& /*sets*/) const {
        return {};
    }
    [[nodiscard]] virtual std::vector<model::RuleLimit> count(const Flow& /*flow*/,
                                                              const std::vector<model::RuleLimit>& /*limits*/) {
        return {};
    }
    virtual void refused(const Flow& /*flow*/, session::Ports::RefusedBy /*by*/, const wire::Refusal& /*refusal*/,
                         std::string_view /*command*/) {}
    [[nodiscard]] virtual std::uint32_t remember_cancel_key(Flow& flow, std::uint32_t process, std::uint32_t secret) = 0;
    // Answered by Flow::cancel_done().
    virtual void cancel(Flow& flow, std::uint32_t process, std::uint32_t secret) = 0;
    [[nodiscard]] virtual Result<std::shared_ptr<tls::Context>> tls_context(const Flow& flow, Side side) = 0;
    // The session does not want its agent now: it may wait for records.
    virtual void waits(Flow& flow, bool is_waiting) = 0;
    // Both streams have ended: destroy it, later.
    virtual void ended(Flow& flow) = 0;
};

struct FlowStart {
    Fd agent;
    session::Flow description;
    std::shared_ptr<NamesGeneration> names;    // of its target, shared with other flows and threads
    std::optional<kernel::UnixCaller> caller;  // where the target is a unix socket: as whom it is opened
};

class Flow final : public session::Ports, private FlowEnd::Owner {
public:
    using MakeSession = std::function<std::unique_ptr<session::Session>(session::Flow, session::Ports&)>;

    Flow(FlowStart start, FlowHost& host);
    ~Flow() override;
    Flow(const Flow&) = delete;
    Flow& operator=(const Flow&) = delete;

    // Makes the session and begins; once, first.
    void open(const MakeSession& make_session);
    // Calls the session from outside, and does what follows from it.
    template <typename Call>
    void session_call(Call call) {
        if (session_ == nullptr) return;
        call(*session_);
        settle();
    }
    void cancel_done();
    // What the log has not taken of it; before it is destroyed.
    [[nodiscard]] model::KeptRecords leave_records() { return session_ ? session_->leave_records() : model::KeptRecords(); }
    // Ends at once, without a word: the loop is stopping.
    void abandon();

    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    [[nodiscard]] const session::Flow& description() const noexcept { return description_; }
    [[nodiscard]] const session::Session& session() const noexcept { return *session_; }
    [[nodiscard]] std::uint32_t cancel_secret() const noexcept { return cancel_secret_; }

    bool is_listed_as_waiting = false;  // the worker's

private:
    // session::Ports
    void send(Side side, Bytes bytes) override;
    void connect_target() override;
    void start_tls(Side side) override;
    void shut(Side side) override;
    void close_all() override;
    model::RecordSink& records() override { return host_.records(); }
    void open_hold(const model::HoldRequest& request) override;
    void use_hold(std::string_view id) override { host_.use_hold(*this, id); }
    void leave_hold(std::string_view id, bool is_cancelled) override;
    std::string why_suspended(const std::vector<std::string>& sets) const override {
        return host_.why_suspended(*this, sets);
    }
    std::vector<model::RuleLimit> count(const std::vector<model::RuleLimit>& limits) override {
        return host_.count(*this, limits);
    }
    void refused(RefusedBy by, const wire::Refusal& refusal, std::string_view command) override {
        host_.refused(*this, by, refusal, command);
    }
    std::uint32_t remember_cancel_key(std::uint32_t process, std::uint32_t secret) override;
    void cancel(std::uint32_t process, std::uint32_t secret) override;
    void names_are_changing() override;
    std::uint64_t names_have_changed() override;
    bool others_change_names() const override { return names_->changing() > (is_changing_names_ ? 1U : 0U); }
    std::uint64_t names_generation() const override { return names_->value(); }
    const Clock& clock() const override { return host_.clock(); }
    void wake_at(Moment when) override;

    // FlowEnd::Owner
    std::size_t received(FlowEnd& end, Bytes bytes) override;
    void ended(FlowEnd& end) override;
    void ending(FlowEnd& end) override;
    void failed(FlowEnd& end, std::string_view why) override;
    void drained(FlowEnd& end) override;

    [[nodiscard]] FlowEnd& end_of(Side side) { return side == Side::agent ? agent_ : target_; }
    void connect_unix();
    void connected(Result<std::unique_ptr<io::Stream>> result);
    std::size_t take_ciphertext(FlowEnd& end, Bytes bytes);
    void tls_moved(FlowEnd& end, const Result<>& result);
    void offer_plaintext(FlowEnd& end);
    void tell_end(FlowEnd& end);
    void settle();
    void update_reading(FlowEnd& end, const FlowEnd& other);
    void agent_went_away();
    void shut_both();
    void timer_fired();
    void later(std::function<void()> task);
    void finish_if_over();

    FlowHost& host_;
    session::Flow description_;
    std::string id_;
    std::shared_ptr<NamesGeneration> names_;
    bool is_changing_names_ = false;
    std::optional<kernel::UnixCaller> caller_;
    Fd agent_socket_;
    FlowEnd agent_;
    FlowEnd target_;
    std::unique_ptr<session::Session> session_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);  // for callbacks that may come after it

    std::unique_ptr<io::Loop::Timer> timer_;
    Moment timer_when_ = Moment::max();
    Moment wake_when_ = Moment::max();
    std::unique_ptr<io::Loop::Timer> closing_timer_;

    std::uint32_t cancel_secret_ = 0;  // of the key that the agent was told; 0: none
    bool is_hold_open_ = false;
    bool is_agent_ending_ = false;  // FIN behind bytes that the session does not take yet
    bool is_cancelling_ = false;    // a CancelRequest is under way: the agent waits for our FIN
    bool is_closing_ = false;
    bool is_settling_ = false;
    bool is_ended_told_ = false;
};

}  // namespace assent::app

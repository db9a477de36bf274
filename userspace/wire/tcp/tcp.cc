#include "wire/tcp/tcp.h"

namespace assent::wire::tcp {
namespace {

class Relay final : public Adapter {
public:
    explicit Relay(Host& host) : host_(host) {}

    std::size_t received(Side side, Bytes bytes) override {
        if (phase_ == Phase::over) return bytes.size();
        if (phase_ != Phase::relaying) return 0;
        bytes_ += bytes.size();
        if (!bytes.empty()) host_.send(side == Side::agent ? Side::target : Side::agent, bytes);
        return bytes.size();
    }
    bool wants(Side /*side*/) const override { return phase_ == Phase::relaying; }

    void target_connected() override {
        if (phase_ == Phase::connecting) phase_ = Phase::relaying;
    }
    void tls_ready(Side /*side*/) override {}

    void closed(Side side) override {
        if (phase_ == Phase::over) return;
        const bool is_open = phase_ == Phase::relaying;
        (side == Side::agent ? has_agent_closed_ : has_target_closed_) = true;
        if (!is_open && side == Side::target) {
            over("the target could not be reached");
        } else if (!is_open) {
            over("the agent left before the target was reached");
        } else if (has_agent_closed_ && has_target_closed_) {
            over("both sides have closed");
        } else {
            host_.shut(side == Side::agent ? Side::target : Side::agent);
        }
    }

    void proceed() override {
        if (is_ruling_) {
            must_rule_again_ = true;
        } else if (phase_ == Phase::seen) {
            rule();
        }
    }
    void notice(const Refusal& /*note*/) override {}
    void terminate(const Refusal& why) override { over("ended: " + why.message); }
    bool is_idle() const override { return phase_ == Phase::seen || phase_ == Phase::over; }
    bool is_tls_pending(Side /*side*/) const override { return false; }

private:
    enum class Phase : std::uint8_t { seen, connecting, relaying, over };

    void rule() {
        CommandSeen seen;
        seen.id = 1;
        seen.kind = CommandKind::startup;
        seen.can_ask = false;
        Ruling ruling;
        is_ruling_ = true;
        do {
            must_rule_again_ = false;
            ruling = host_.rule(seen);
        } while (ruling.action == Ruling::Action::wait && must_rule_again_ && phase_ != Phase::over);
        is_ruling_ = false;
        if (phase_ == Phase::over || ruling.action == Ruling::Action::wait) return;
        if (ruling.action == Ruling::Action::forward) {
            is_forwarded_ = true;
            phase_ = Phase::connecting;
            host_.connect_target();
            return;
        }
        Outcome outcome;
        outcome.id = 1;
        outcome.is_error = outcome.was_refused = true;
        outcome.code = ruling.refusal.code;
        outcome.message = ruling.refusal.message;
        host_.finished(outcome);
        over("the session was refused");
    }

    void over(std::string why) {
        if (phase_ == Phase::over) return;
        phase_ = Phase::over;
        if (is_forwarded_) {
            Outcome outcome;
            outcome.id = 1;
            outcome.bytes = bytes_;
            host_.finished(outcome);
        }
        host_.close(std::move(why), false);
    }

    Host& host_;
    Phase phase_ = Phase::seen;
    bool is_ruling_ = false;
    bool must_rule_again_ = false;
    bool is_forwarded_ = false;
    bool has_agent_closed_ = false;
    bool has_target_closed_ = false;
    std::uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Adapter> make_adapter(Host& host) { return std::make_unique<Relay>(host); }

}  // namespace assent::wire::tcp

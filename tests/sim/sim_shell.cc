#include "sim/sim_shell.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "base/limits.h"

namespace assent::sim {

Result<model::RecordTicket> Sink::append(const model::RecordDraft& draft) {
    if (!is_available_) return fail(Errc::unavailable, "simulated disk failure");
    if (is_full_) return fail(Errc::limit, "simulated full lane");
    std::string text;
    for (const model::RecordBody& body : draft.bodies) {
        if (body.name == "text") text = as_text(body.bytes);
    }
    entries_.push_back({std::string(draft.type), text});
    const model::RecordTicket ticket = entries_.size();
    world_.after(std::chrono::microseconds(draft.is_urgent ? dice_.roll(3000) : dice_.roll(100'000)), [this, ticket] {
        if (!is_available_ || durable_ >= ticket) return;
        durable_ = ticket;
        moved_();
    });
    return ticket;
}

std::size_t Sink::commands_with(std::string_view text, bool is_on_disk) const {
    std::size_t found = 0;
    for (std::size_t i = 0; i < (is_on_disk ? durable_ : entries_.size()); ++i) {
        if (entries_[i].type == "command" && entries_[i].text == text) ++found;
    }
    return found;
}

std::size_t Sink::count(std::string_view type) const {
    std::size_t found = 0;
    for (const Entry& entry : entries_) found += entry.type == type ? 1 : 0;
    return found;
}

void Sink::fail_for(Duration how_long) {
    is_available_ = false;
    moved_();
    world_.after(how_long, [this] {
        is_available_ = true;
        durable_ = entries_.size();  // the disk is back: what was taken is written
        moved_();
    });
}

void Sink::fill_for(Duration how_long) {
    is_full_ = true;
    world_.after(how_long, [this] {
        is_full_ = false;
        moved_();
    });
}

Shell::Shell(World& world, Dice& dice, std::shared_ptr<const policy::Policy> policy)
    : world_(world),
      dice_(dice),
      sink_(world, dice, [this] { world_.after(Duration(0), [this] { records_moved(); }); }),
      server_([this](std::string_view text) { server_ran(text); },
              [this](std::string bytes) {
                  under_way_from_target_ += bytes;
                  world_.after(soon(), [this] {
                      from_target_ += std::exchange(under_way_from_target_, {});
                      pump(Side::target);
                      pump(Side::agent);  // which may have waited for the answer
                  });
              }) {
    session::Flow flow;
    flow.id = "simulated";
    flow.agent.run_name = "sim";
    flow.agent.runner = "ana";
    flow.agent.cgroup_path = "/assent.slice/run-sim-1.scope";
    flow.agent.uid = 1000;
    flow.target = policy->targets().at(0);
    flow.asked_for = {*model::IpAddress::parse("127.0.0.1"), 5432};
    session_ = session::make_session(std::move(flow), std::move(policy), session::make_cache(), *this);
}

void Shell::server_ran(std::string_view text) {
    if (text.substr(0, 6) == "assent") return;  // what replaces a refused command
    ran_.emplace_back(text);
    const auto runs = static_cast<std::size_t>(std::ranges::count(ran_, text));
    EXPECT_GE(sink_.commands_with(text, false), runs) << "forwarded without a record: " << text;
    EXPECT_EQ(text.find("DELETE"), std::string_view::npos) << "a denied command was forwarded: " << text;
    const bool is_update = text.starts_with("UPDATE");
    EXPECT_TRUE(!is_update || approved_.contains(std::string(text))) << "not approved: " << text;
    approved_.erase(std::string(text));  // an approval is good for one run
    const bool must_be_durable = is_update || (text.starts_with("INSERT") && server_.status() == 'I');
    EXPECT_TRUE(!must_be_durable || sink_.commands_with(text, true) >= runs)
        << "forwarded before its record was on disk: " << text;
}

void Shell::agent_sends(std::string_view bytes) {
    under_way_from_agent_ += bytes;
    world_.after(soon(), [this] {
        from_agent_ += std::exchange(under_way_from_agent_, {});
        pump(Side::agent);
    });
}

std::string Shell::describe() const {
    return session_->describe() + "; from the agent " + std::to_string(from_agent_.size()) + ", from the target " +
           std::to_string(from_target_.size()) + ", to the target " + std::to_string(to_target_.size()) +
           " bytes; wants the agent " + std::to_string(static_cast<int>(session_->wants(Side::agent))) + ", the target " +
           std::to_string(static_cast<int>(session_->wants(Side::target))) +
           "; last ran: " + (ran_.empty() ? "" : ran_.back());
}

void Shell::agent_closes() {
    world_.after(std::chrono::milliseconds(3), [this] {
        agent_has_closed_ = true;
        pump(Side::agent);
    });
}

void Shell::agent_resets() {
    world_.after(soon(), [this] {
        from_agent_.clear();
        if (!is_closed_) session_->failed(Side::agent, "connection reset");
    });
}

// Offers what has arrived, in pieces, as long as the session wants it.
void Shell::pump(Side side) {
    std::string& waiting = side == Side::agent ? from_agent_ : from_target_;
    while (!is_closed_ && !waiting.empty() && session_->wants(side)) {
        const std::size_t piece = 1 + dice_.roll(dice_.one_in(3) ? 3 : waiting.size());
        const std::string bytes = waiting.substr(0, std::min(piece, waiting.size()));
        const std::size_t taken = session_->received(side, as_bytes(bytes));
        ASSERT_LE(taken, bytes.size());
        waiting.erase(0, taken);
        if (taken < bytes.size()) break;
    }
    if (side == Side::agent && agent_has_closed_ && waiting.empty() && !close_was_told_ && !is_closed_) {
        close_was_told_ = true;
        session_->closed(Side::agent);
    }
}

void Shell::send(Side side, Bytes bytes) {
    ASSERT_FALSE(is_closed_) << "sent after the end";
    if (side == Side::agent) {
        to_agent_ += as_text(bytes);
        world_.after(soon(), [this] { deliver_to_agent(); });
    } else {
        to_target_ += as_text(bytes);
        world_.after(soon(), [this] { deliver_to_server(); });
    }
}

void Shell::deliver_to_server() {
    const std::string bytes = to_target_.substr(0, 1 + dice_.roll(to_target_.size() + 1));
    to_target_.erase(0, bytes.size());
    if (!to_target_.empty()) world_.after(soon(), [this] { deliver_to_server(); });
    server_.received(as_bytes(bytes));
    if (server_.has_ended()) {
        world_.after(std::chrono::milliseconds(5), [this] {
            if (!is_closed_ && !std::exchange(has_server_closed_, true)) session_->closed(Side::target);
        });
    }
}

void Shell::deliver_to_agent() {
    const std::string bytes = std::move(to_agent_);
    to_agent_.clear();
    if (!bytes.empty() && agent_receives) agent_receives(bytes);
}

void Shell::connect_target() {
    EXPECT_GE(sink_.durable(), 2U) << "the flow and its connect have to be on disk before the target knows of them";
    const bool works = !dice_.one_in(30);
    world_.after(soon(), [this, works] {
        if (is_closed_) return;
        if (works)
            session_->target_connected();
        else
            session_->target_failed("simulated refusal");
        pump(Side::agent);
    });
}

void Shell::shut(Side) {}

void Shell::close_all() {
    is_closed_ = true;
    world_.after(soon(), [this] {
        deliver_to_agent();
        if (agent_sees_end) agent_sees_end();
    });
    // The shell destroys a flow that has ended, whatever the log can take then.
    world_.after(limits::closing_timeout, [this] {
        left_ = session_->leave_records();
        is_gone_ = true;
        left_.retry(sink_);
    });
}

void Shell::records_moved() {
    if (is_gone_) {
        left_.retry(sink_);
        return;
    }
    session_->records_moved();
    pump(Side::agent);
}

void Shell::open_hold(const model::HoldRequest& request) {
    held_text_ = request.text;
    (request.estimate.rows.empty() ? unplanned_ : planned_) += 1;
    const std::string id = "h-" + std::to_string(++holds_);
    if (dice_.one_in(15)) {
        world_.after(soon(), [this] {
            if (!is_closed_) session_->hold_failed("simulated: too many holds");
            pump(Side::agent);
        });
        return;
    }
    world_.after(soon(), [this, id, text = request.text] {
        if (is_closed_) return;
        model::HoldStatus status;
        status.id = id;
        status.deadline = world_.wall() + std::chrono::minutes(15);
        session_->hold_changed(status);
        pump(Side::agent);
        if (!dice_.one_in(4))
            world_.after(std::chrono::milliseconds(dice_.roll(3000)), [this, id, text] { answer_hold(id, text); });
        if (dice_.one_in(12)) {
            world_.after(std::chrono::milliseconds(dice_.roll(500)), [this] {
                if (!is_closed_) (void)session_->cancel_requested();
                pump(Side::agent);
            });
        }
    });
}

void Shell::answer_hold(const std::string& id, const std::string& text) {
    if (is_closed_) return;
    model::HoldStatus status;
    status.id = id;
    status.deadline = world_.wall() + std::chrono::minutes(15);
    status.decided_by = "ana";
    status.state = dice_.one_in(3)   ? model::HoldState::denied
                   : dice_.one_in(6) ? model::HoldState::expired
                                     : model::HoldState::approved;
    if (status.state == model::HoldState::approved && id == "h-" + std::to_string(holds_)) approved_.insert(text);
    if (id == "h-" + std::to_string(holds_)) session_->hold_changed(status);
    pump(Side::agent);
}

void Shell::use_hold(std::string_view) {
    const bool was_free = !dice_.one_in(20);
    world_.after(soon(), [this, was_free] {
        if (!was_free) approved_.erase(held_text_);
        if (!is_closed_) session_->hold_used(was_free);
        pump(Side::agent);
    });
}

void Shell::leave_hold(std::string_view, bool) {}

void Shell::wake_at(Moment when) {
    if (when == Moment::max()) return;
    world_.after(std::max(Duration(0), Duration(when - world_.now())), [this] {
        if (!is_closed_) session_->tick();
        pump(Side::agent);
    });
}

}  // namespace assent::sim

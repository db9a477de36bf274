// A flow on a loop, with a session and a host that only remember: sockets are real, everything else is a script.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/flow.h"
#include "unit/io/loop_thread.h"

namespace assent::app {

// What the session was told, and what it is to do. Used on the loop's thread only.
struct ScriptedSession final : session::Session {
    explicit ScriptedSession(session::Ports& its_ports) : ports(its_ports) {}

    void open() override { told.push_back("open"); }
    std::size_t received(Side side, Bytes bytes) override {
        const std::size_t taken = std::min(bytes.size(), takes);
        (side == Side::agent ? from_agent : from_target) += as_text(bytes.first(taken));
        if (on_received) on_received(side, bytes.first(taken));
        return taken;
    }
    bool wants(Side side) const override { return is_over_ || (side == Side::agent ? wants_agent : wants_target); }
    void closed(Side side) override { tell("closed", side); }
    void failed(Side side, std::string_view) override { tell("failed", side); }
    void target_connected() override { told.push_back("connected"); }
    void target_failed(std::string_view) override { told.push_back("target failed"); }
    void tls_ready(Side side) override { tell("tls", side); }
    void tls_failed(Side side, std::string_view) override { tell("tls failed", side); }
    void records_moved() override { told.push_back("records"); }
    void hold_changed(const model::HoldStatus&) override { told.push_back("hold"); }
    void hold_failed(std::string_view) override {}
    void hold_used(bool) override {}
    void grant_revoked(std::string_view, std::string_view, std::string_view) override {}
    void policy_changed(std::shared_ptr<const policy::Policy>) override {}
    void token_changed(std::shared_ptr<const model::AgentToken>) override {}
    bool cancel_requested() override {
        told.push_back("cancel");
        return true;
    }
    void tick() override { told.push_back("tick"); }
    void end(std::string_view, std::string_view) override { close(); }
    void drain() override {}
    bool is_over() const override { return is_over_; }
    std::string describe() const override { return {}; }
    model::KeptRecords leave_records() override { return model::KeptRecords(); }

    void close() {
        is_over_ = true;
        ports.close_all();
    }
    [[nodiscard]] bool was_told(const std::string& what) const {
        return std::find(told.begin(), told.end(), what) != told.end();
    }

    session::Ports& ports;
    std::vector<std::string> told;
    std::string from_agent;
    std::string from_target;
    std::size_t takes = static_cast<std::size_t>(-1);
    bool wants_agent = true;
    bool wants_target = true;
    std::function<void(Side, Bytes)> on_received;

private:
    void tell(std::string what, Side side) {
        told.push_back(what + (side == Side::agent ? " agent" : " target"));
        if (what == "failed") close();
    }
    bool is_over_ = false;
};

class NoRecords final : public model::RecordSink {
public:
    Result<model::RecordTicket> append(const model::RecordDraft&) override { return ++count_; }
    model::RecordTicket durable() const noexcept override { return count_; }
    bool is_available() const noexcept override { return true; }

private:
    model::RecordTicket count_ = 0;
};

// An agent and a target on sockets, with a flow between them.
class FlowBench : public FlowHost {
public:
    FlowBench() : target_listening(io::make_listening(true)) {}
    ~FlowBench() override {
        thread.call([this] { flow.reset(); });
    }

    void open(int agent_receive_buffer = 0) {
        auto agents = io::make_listening(true);
        agent = io::connect_to(agents.endpoint, agent_receive_buffer);
        Fd accepted_socket(::accept4(agents.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
        thread.call([&] {
            FlowStart start;
            start.agent = std::move(accepted_socket);
            start.description.id = "0123456789abcdef";
            start.description.asked_for = target_listening.endpoint;
            start.names = std::make_shared<NamesGeneration>();
            flow = std::make_unique<Flow>(std::move(start), *this);
            flow->open([this](const session::Flow&, session::Ports& ports) {
                auto made = std::make_unique<ScriptedSession>(ports);
                session = made.get();
                return made;
            });
        });
    }
    void connect_target() {
        thread.call([this] { session->ports.connect_target(); });
        target = Fd(::accept4(target_listening.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
        EXPECT_TRUE(eventually([this] { return session->was_told("connected"); }));
    }
    template <typename Check>
    bool eventually(Check check) {
        return io::eventually(thread, check);
    }
    // Calls the session as the worker does.
    void call(const std::function<void(ScriptedSession&)>& what) {
        thread.call([&] { flow->session_call([&](session::Session& made) { what(static_cast<ScriptedSession&>(made)); }); });
    }

    // FlowHost
    io::Loop& loop() override { return thread.loop(); }
    model::RecordSink& records() override { return sink; }
    const Clock& clock() const override { return system_clock(); }
    void open_hold(Flow&, const model::HoldRequest&) override {}
    void use_hold(Flow&, std::string_view) override {}
    void leave_hold(Flow&, std::string_view, bool) override {}
    std::uint32_t remember_cancel_key(Flow&, std::uint32_t, std::uint32_t secret) override { return secret + 1; }
    void cancel(Flow&, std::uint32_t, std::uint32_t) override { ++cancels; }
    Result<std::shared_ptr<tls::Context>> tls_context(const Flow&, Side side) override {
        const auto& context = side == Side::agent ? agent_tls : target_tls;
        if (context == nullptr) return fail(Errc::internal, "no TLS here");
        return context;
    }
    void waits(Flow&, bool is_waiting) override { is_flow_waiting = is_waiting; }
    void ended(Flow&) override { ++ended_count; }

    io::LoopThread thread;
    io::Listening target_listening;
    Fd agent;
    Fd target;
    NoRecords sink;
    std::unique_ptr<Flow> flow;
    ScriptedSession* session = nullptr;
    std::shared_ptr<tls::Context> agent_tls;
    std::shared_ptr<tls::Context> target_tls;
    int cancels = 0;
    int ended_count = 0;
    bool is_flow_waiting = false;
};

}  // namespace assent::app

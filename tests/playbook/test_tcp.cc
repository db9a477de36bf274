#include <gtest/gtest.h>

#include "wire/tcp/tcp.h"

namespace assent::wire {
namespace {

class Recorder final : public Host {
public:
    void send(Side side, Bytes bytes) override { text += (side == Side::agent ? "<" : ">") + std::string(as_text(bytes)); }
    Ruling rule(const CommandSeen& command) override {
        text += "rule" + std::to_string(command.id) + std::string(command.user) + ";";
        return ruling;
    }
    void answered(std::vector<sql::Row>) override {}
    void result_seen(CommandId, Bytes) override { text += "result;"; }
    void finished(const Outcome& outcome) override {
        text += (outcome.was_refused ? "refused " : "finished ") + std::to_string(outcome.bytes) + ";";
    }
    void connect_target() override { text += "connect;"; }
    void start_tls(Side) override {}
    std::optional<sql::Question> ready() override { return std::nullopt; }
    std::uint32_t backend_key(std::uint32_t, std::uint32_t) override { return 0; }
    void cancel_requested(std::uint32_t, std::uint32_t) override {}
    void authenticated(std::string_view) override {}
    void setting_changed(std::string_view, std::string_view) override {}
    void transaction_status(char) override {}
    void statement_closed(std::string_view) override {}
    void portal_closed(std::string_view) override {}
    void shut(Side side) override { text += side == Side::agent ? "shut agent;" : "shut target;"; }
    void close(std::string why, bool) override { text += "close: " + why; }

    Ruling ruling;
    std::string text;
};

TEST(TcpRelay, PassesBytesBothWaysAfterOneRuling) {
    Recorder host;
    host.ruling.action = Ruling::Action::forward;
    const auto adapter = tcp::make_adapter(host);
    EXPECT_FALSE(adapter->wants(Side::agent));
    EXPECT_EQ(adapter->received(Side::agent, as_bytes("early")), 0U);
    adapter->proceed();
    adapter->target_connected();
    EXPECT_EQ(adapter->received(Side::agent, as_bytes("ping")), 4U);
    EXPECT_EQ(adapter->received(Side::target, as_bytes("pong")), 4U);
    adapter->closed(Side::agent);
    adapter->closed(Side::target);
    EXPECT_EQ(host.text, "rule1;connect;>ping<pongshut target;finished 8;close: both sides have closed");
}

TEST(TcpRelay, ARefusalReachesNoTarget) {
    Recorder host;
    const auto adapter = tcp::make_adapter(host);
    adapter->proceed();
    EXPECT_EQ(host.text, "rule1;refused 0;close: the session was refused");
    EXPECT_EQ(adapter->received(Side::agent, as_bytes("more")), 4U);
    EXPECT_EQ(host.text.find('>'), std::string::npos);
}

TEST(TcpRelay, WaitsForARuling) {
    Recorder host;
    host.ruling.action = Ruling::Action::wait;
    const auto adapter = tcp::make_adapter(host);
    adapter->proceed();
    EXPECT_EQ(host.text, "rule1;");
    host.ruling.action = Ruling::Action::forward;
    adapter->proceed();
    adapter->closed(Side::target);
    EXPECT_EQ(host.text, "rule1;rule1;connect;finished 0;close: the target could not be reached");
}

}  // namespace
}  // namespace assent::wire

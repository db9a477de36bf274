// Listening sockets that go from one program to the next in the same process.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "app/handover.h"

namespace assent::app {
namespace {

struct Bound {
    Fd socket;
    model::Endpoint address;
};

Bound bind_somewhere(Transport transport, bool is_listening) {
    auto socket = bind_loopback(0, false, transport);
    EXPECT_TRUE(socket.has_value());
    EXPECT_TRUE(!is_listening || ::listen(socket->get(), 8) == 0);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    EXPECT_EQ(::getsockname(socket->get(), reinterpret_cast<sockaddr*>(&bound), &size), 0);
    return {std::move(*socket), *model::Endpoint::from(bound)};
}

Fd connect_to(const model::Endpoint& address) {
    Fd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage to{};
    const socklen_t size = address.to(to);
    EXPECT_EQ(::connect(out.get(), reinterpret_cast<sockaddr*>(&to), size), 0);
    return out;
}

TEST(Handover, gives_on_what_listens_with_those_who_wait_in_it) {
    auto tcp = bind_somewhere(Transport::tcp, true);
    auto udp = bind_somewhere(Transport::udp, false);
    auto idle = bind_somewhere(Transport::tcp, false);
    Handover handover;
    for (const auto* each : {&tcp, &udp, &idle}) ASSERT_TRUE(handover.keep(each->socket).has_value());
    const Fd waiting = connect_to(tcp.address);
    tcp.socket.reset();
    handover.pass_on();

    EXPECT_EQ(handover.ports(), std::vector{tcp.address.port});
    EXPECT_FALSE(handover.take(Transport::udp, tcp.address).is_open()) << "of another kind";
    EXPECT_FALSE(handover.take(Transport::tcp, tcp.address, 1).is_open()) << "of another network namespace";
    EXPECT_FALSE(handover.take(Transport::tcp, idle.address).is_open()) << "it does not listen";
    EXPECT_TRUE(handover.take(Transport::udp, udp.address).is_open());
    const Fd taken = handover.take(Transport::tcp, tcp.address);
    ASSERT_TRUE(taken.is_open());
    const Fd accepted(::accept4(taken.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    EXPECT_TRUE(accepted.is_open());
    EXPECT_FALSE(handover.take(Transport::tcp, tcp.address).is_open()) << "once";
    EXPECT_EQ(handover.close_rest(), 0U);
}

TEST(Handover, is_read_from_the_environment_of_this_process_only) {
    const auto tcp = bind_somewhere(Transport::tcp, true);
    Handover before;
    ASSERT_TRUE(before.keep(tcp.socket).has_value());
    before.pass_on();
    const auto variable = before.variable();
    ASSERT_TRUE(variable.has_value()) << variable.error().message;
    const auto equals = variable->find('=');
    const std::string name = variable->substr(0, equals);
    const std::string value = variable->substr(equals + 1);
    const int number = std::stoi(value.substr(value.rfind(':') + 1));
    ASSERT_TRUE(before.set_open(true).has_value());
    EXPECT_EQ(::fcntl(number, F_GETFD), 0);

    ::setenv(name.c_str(), ("1:1:" + value.substr(value.find(':', 2) + 1)).c_str(), 1);
    auto of_another = Handover::inherited();
    EXPECT_FALSE(of_another.take(Transport::tcp, tcp.address).is_open());
    EXPECT_EQ(::fcntl(number, F_GETFD), 0) << "not ours to close";

    ::setenv(name.c_str(), value.c_str(), 1);
    auto after = Handover::inherited();
    EXPECT_EQ(std::getenv(name.c_str()), nullptr);
    const Fd taken = after.take(Transport::tcp, tcp.address);
    EXPECT_EQ(taken.get(), number);
    EXPECT_EQ(::fcntl(number, F_GETFD), FD_CLOEXEC);
    Fd has_gone_to_the_next = before.take(Transport::tcp, tcp.address);
    EXPECT_EQ(has_gone_to_the_next.release(), number);
}

}  // namespace
}  // namespace assent::app

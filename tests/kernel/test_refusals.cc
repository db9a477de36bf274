// What governed processes may not do, and the little that they may besides TCP.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/cgroup.h"
#include "kernel/outside.h"
#include "kernel/playground.h"
#include "kernel/probe.h"

namespace assent::kernel_tests {
namespace {

using Kind = kernel::Event::Kind;

std::string make_socket(int family, int type, int protocol) {
    const Fd socket(::socket(family, type | SOCK_CLOEXEC, protocol));
    return socket.is_open() ? "open" : error_name(errno);
}

std::string send_datagram(const std::string& ip, std::uint16_t port, bool is_connected) {
    socklen_t size = 0;
    const auto storage = address_of(ip, port, size);
    const auto* address = reinterpret_cast<const sockaddr*>(&storage);
    const Fd socket(::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (is_connected && ::connect(socket.get(), address, size) != 0) return "connect " + error_name(errno);
    const auto sent =
        is_connected ? ::send(socket.get(), "hello", 5, 0) : ::sendto(socket.get(), "hello", 5, 0, address, size);
    return sent == 5 ? "sent" : error_name(errno);
}

class Refusing : public ::testing::Test {
protected:
    void SetUp() override {
        redirect = place.open();
        place.listen();
        ASSERT_TRUE(redirect->govern(place.governed()).has_value());
    }
    std::vector<kernel::Event> events() {
        std::vector<kernel::Event> out;
        EXPECT_TRUE(redirect->poll_events(100, [&](const kernel::Event& event) { out.push_back(event); }).has_value());
        return out;
    }
    std::string governed(const std::function<std::string()>& work) { return inside(place.governed(), work); }

    Playground place;
    std::unique_ptr<kernel::Redirect> redirect;
};

TEST_F(Refusing, every_socket_of_inet_that_is_not_plain_tcp_or_udp) {
    constexpr int mptcp = 262;
    constexpr int udplite = 136;
    for (const int family : {AF_INET, AF_INET6}) {
        EXPECT_EQ(governed([&] { return make_socket(family, SOCK_STREAM, 0); }), "open");
        EXPECT_EQ(governed([&] { return make_socket(family, SOCK_DGRAM, 0); }), "open");
        EXPECT_EQ(governed([&] { return make_socket(family, SOCK_RAW, IPPROTO_RAW); }), "EPERM");
        EXPECT_EQ(governed([&] { return make_socket(family, SOCK_RAW, IPPROTO_TCP); }), "EPERM");
        EXPECT_EQ(governed([&] { return make_socket(family, SOCK_RAW, IPPROTO_ICMP); }), "EPERM");
        EXPECT_NE(governed([&] { return make_socket(family, SOCK_STREAM, mptcp); }), "open");
        EXPECT_NE(governed([&] { return make_socket(family, SOCK_DGRAM, udplite); }), "open");
        EXPECT_NE(governed([&] { return make_socket(family, SOCK_STREAM, IPPROTO_SCTP); }), "open");
        EXPECT_NE(governed([&] { return make_socket(family, SOCK_STREAM, 256 /* SMC */); }), "open");
    }
    EXPECT_NE(governed([] { return make_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP); }), "open");
    const auto told = events();
    EXPECT_TRUE(std::ranges::any_of(
        told, [](const auto& event) { return event.kind == Kind::refused_socket && event.socket_type == SOCK_RAW; }));
}

TEST_F(Refusing, udp_to_anywhere) {
    const Outside outside;
    for (const auto* ip : {"127.0.0.1", "::ffff:127.0.0.1"}) {
        EXPECT_EQ(governed([&] { return send_datagram(ip, outside.port, false); }), "EPERM") << ip;
        EXPECT_EQ(governed([&] { return send_datagram(ip, outside.port, true); }), "EPERM") << ip;
    }
    EXPECT_EQ(governed([] { return send_datagram("::1", 443, false); }), "EPERM");
    EXPECT_EQ(governed([] { return send_datagram("::1", 443, true); }), "EPERM");
    EXPECT_FALSE(outside.has_received());
    const auto told = events();
    EXPECT_TRUE(std::ranges::any_of(
        told, [&](const auto& event) { return event.kind == Kind::refused_send && event.address.port == outside.port; }));
    EXPECT_TRUE(std::ranges::any_of(told, [&](const auto& event) {
        return event.kind == Kind::dropped_packet && event.address.port == outside.port &&
               event.agent.comm == "kernel_hooks";
    }));
}

TEST_F(Refusing, an_ipv4_address_on_an_ipv6_socket) {
    const Outside outside;
    EXPECT_EQ(governed([&] {
                  socklen_t size = 0;
                  const auto address = address_of("127.0.0.1", outside.port, size);
                  const Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                  const auto sent = ::sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), size);
                  return sent == 1 ? std::string("sent") : error_name(errno);
              }),
              "EPERM");
    EXPECT_FALSE(outside.has_received());
}

TEST_F(Refusing, corked_datagrams) {
    const Outside outside;
    EXPECT_NE(governed([&] {
                  socklen_t size = 0;
                  const auto address = address_of("127.0.0.1", outside.port, size);
                  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                  static_cast<void>(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size));
                  if (::send(socket.get(), "x", 1, MSG_MORE) < 0) return error_name(errno);
                  return ::send(socket.get(), "y", 1, 0) == 1 ? std::string("sent") : error_name(errno);
              }),
              "sent");
    EXPECT_FALSE(outside.has_received());
}

TEST_F(Refusing, lets_udp_connect_since_the_c_library_sorts_addresses_with_it) {
    EXPECT_EQ(
        governed([] {
            socklen_t size = 0;
            const auto address = address_of("127.0.0.9", 443, size);
            const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            return error_name(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 ? 0 : errno);
        }),
        "connected");
}

TEST_F(Refusing, taking_the_proxys_port_or_a_resolvers) {
    const auto take = [](const std::string& ip, std::uint16_t port, int type) {
        socklen_t size = 0;
        const auto address = address_of(ip, port, size);
        const Fd socket(::socket(address.ss_family, type | SOCK_CLOEXEC, 0));
        return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 ? std::string("bound")
                                                                                            : error_name(errno);
    };
    place.stop_listening();
    const auto port = place.ports().front();
    for (const auto* ip : {"127.0.0.1", "0.0.0.0", "::1", "::", "127.0.0.7"}) {
        EXPECT_EQ(governed([&] { return take(ip, port, SOCK_STREAM); }), "EPERM") << ip;
        EXPECT_EQ(governed([&] { return take(ip, 53, SOCK_DGRAM); }), "EPERM") << ip;
    }
    // An ordinary user anywhere, while nobody listens.
    const auto as_nobody = [&](const std::function<std::string()>& work) {
        return inside({}, [&] { return ::setresuid(65534, 65534, 65534) == 0 ? work() : std::string("setuid"); });
    };
    EXPECT_EQ(as_nobody([&] { return take("127.0.0.1", port, SOCK_STREAM); }), "EACCES");
    EXPECT_EQ(as_nobody([&] { return take("::1", port, SOCK_STREAM); }), "EACCES");
    EXPECT_EQ(governed([&] { return take("127.0.0.1", 0, SOCK_STREAM); }), "bound");
}

TEST_F(Refusing, connections_to_an_agent) {
    Child server(place.governed(), [] {
        const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int on = 1;
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        socklen_t size = 0;
        const auto address = address_of("127.0.0.1", agent_port, size);
        if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(socket.get(), 4) != 0)
            return error_name(errno);
        pollfd waited{socket.get(), POLLIN, 0};
        return ::poll(&waited, 1, 700) == 0 ? std::string("nobody came") : std::string("somebody came");
    });
    ::usleep(150'000);
    Fd outside(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect_to("127.0.0.1", agent_port, outside), "EINPROGRESS");
    // The packets of who tries are dropped; where the kernel's security module has our programs, nobody listens at all.
    pollfd waited{outside.get(), POLLOUT, 0};
    EXPECT_EQ(::poll(&waited, 1, 300), redirect->has_guard() ? 1 : 0);
    EXPECT_EQ(server.finish(), redirect->has_guard() ? "EPERM" : "nobody came");
    EXPECT_TRUE(std::ranges::any_of(events(), [](const auto& event) { return event.kind == Kind::refused_listen; }));
}

TEST_F(Refusing, what_was_connected_before_its_cgroup_was_governed) {
    const auto later = place.governed().parent_path() / "later.slice";
    std::filesystem::create_directories(later);
    const Outside outside;
    std::array<int, 2> gate{};
    ASSERT_EQ(::pipe2(gate.data(), O_CLOEXEC), 0);
    Child early(later, [&] {
        socklen_t size = 0;
        const auto address = address_of("127.0.0.1", outside.port, size);
        const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return error_name(errno);
        char byte = 0;
        ::close(gate[1]);
        if (::read(gate[0], &byte, 1) < 0) return error_name(errno);
        return ::send(socket.get(), "x", 1, 0) == 1 ? std::string("sent") : error_name(errno);
    });
    ::usleep(100'000);
    ASSERT_TRUE(redirect->govern(later).has_value());
    ::close(gate[0]);
    ::close(gate[1]);
    EXPECT_NE(early.finish(), "sent");
    EXPECT_FALSE(outside.has_received());
}

TEST_F(Refusing, stays_when_an_agent_makes_cgroups_and_namespaces_of_its_own) {
    const auto child = place.governed() / "own.scope" / "deeper";
    std::filesystem::create_directories(child);
    const Outside outside;
    EXPECT_EQ(inside(child, [&] { return send_datagram("127.0.0.1", outside.port, false); }), "EPERM");
    EXPECT_EQ(governed([&] {
                  if (::unshare(CLONE_NEWUSER | CLONE_NEWCGROUP) != 0) return "unshare " + error_name(errno);
                  return send_datagram("127.0.0.1", outside.port, false);
              }),
              "EPERM");
    EXPECT_EQ(governed([] {
                  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return "unshare " + error_name(errno);
                  Fd socket;
                  return connect_to("10.9.8.7", 5432, socket);
              }),
              "ENETUNREACH");
    EXPECT_FALSE(outside.has_received());
}

TEST_F(Refusing, a_flood_of_one_agent_leaves_room_for_what_another_tries) {
    const auto quiet = place.governed() / "quiet";
    ASSERT_TRUE(std::filesystem::create_directory(quiet));
    constexpr std::uint64_t tries = 9000;  // more than the ring holds, while nobody reads it
    EXPECT_EQ(governed([] {
                  for (std::uint16_t i = 0; i < tries; ++i) {
                      const auto answer = send_datagram("127.0.0.1", static_cast<std::uint16_t>(20'000 + i), false);
                      if (answer != "EPERM") return answer;
                  }
                  return std::string("all refused");
              }),
              "all refused");
    EXPECT_EQ(inside(quiet, [] { return send_datagram("127.0.0.1", 443, false); }), "EPERM");

    std::map<std::uint64_t, std::uint64_t> told;
    for (auto some = events(); !some.empty(); some = events())
        for (const auto& event : some) ++told[event.agent.cgroup_id];
    const auto flooding = *kernel::cgroup_id_of(place.governed());
    EXPECT_GE(told[*kernel::cgroup_id_of(quiet)], 1U);
    EXPECT_GE(told[flooding], 200U);
    EXPECT_EQ(redirect->lost_events(), 0U);
    const auto cut = redirect->take_cut_events();
    ASSERT_EQ(cut.size(), 1U);
    EXPECT_EQ(cut[0].cgroup_id, flooding);
    EXPECT_GE(told[flooding] + cut[0].count, tries) << "each is counted";
    EXPECT_TRUE(redirect->take_cut_events().empty());
    ASSERT_TRUE(std::filesystem::remove(quiet));
}

TEST(Doctor, proves_that_what_is_promised_holds_here) {
    const Playground place;
    const auto report = kernel::probe_host(place.bpffs());
    ASSERT_TRUE(report.has_value()) << report.error().message;
    ASSERT_EQ(report->agents.size(), 3U);
    for (const auto& kind : report->agents) {
        EXPECT_GE(kind.trials.size(), 30U);
        for (const auto& trial : kind.trials) {
            const bool is_kept =
                !trial.is_promised || trial.reach == kernel::Reach::refused || trial.reach == kernel::Reach::redirected;
            EXPECT_TRUE(is_kept) << kind.agent << " " << trial.name << ": " << kernel::to_text(trial.reach) << " "
                                 << trial.detail;
            if (trial.name.starts_with("tcp-")) {
                EXPECT_EQ(trial.reach, kernel::Reach::redirected) << kind.agent << " " << trial.name;
                EXPECT_EQ(trial.detail, "") << kind.agent << " " << trial.name;
            }
        }
    }
    // It leaves nothing behind.
    EXPECT_FALSE(std::filesystem::exists(*kernel::cgroup_root() / fmt::format("assent-doctor-{}", ::getpid())));
}

}  // namespace
}  // namespace assent::kernel_tests

// Agents in other network namespaces: what they connect to ends at the proxy, whose sockets are there too, and at nobody who
// takes its place.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/limits.h"
#include "kernel/network_namespace.h"
#include "kernel/networks.h"
#include "kernel/playground.h"

namespace assent::kernel_tests {
namespace {

using namespace std::chrono_literals;
using Kind = kernel::Event::Kind;

constexpr const char* target4 = "10.232.7.1";
constexpr const char* target6 = "fd00:232::1";
constexpr std::uint16_t target_port = 5432;

void shell(const std::string& command) { ASSERT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command; }

// A network namespace that lives as long as its first process, which nobody governs.
class Namespace {
public:
    explicit Namespace(bool is_loopback_up = true) {
        std::array<int, 2> ready{};
        EXPECT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
        process_ = std::make_unique<Child>("", [&] {
            if (::unshare(CLONE_NEWNET) != 0 || ::write(ready[1], "r", 1) != 1) ::_exit(1);
            while (true) ::pause();
            return std::string();
        });
        ::close(ready[1]);
        char byte = 0;
        EXPECT_EQ(::read(ready[0], &byte, 1), 1);
        ::close(ready[0]);
        if (is_loopback_up) run("ip link set lo up");
    }
    [[nodiscard]] pid_t pid() const { return process_->pid(); }
    void run(const std::string& command) const { shell(fmt::format("nsenter -t {} -n sh -c '{}'", pid(), command)); }
    // For a child: enters it.
    void enter() const {
        const auto file = kernel::open_network_of(pid());
        if (!file || ::setns(file->get(), CLONE_NEWNET) != 0) ::_exit(2);
    }
    // A socket of somebody inside, who is root.
    [[nodiscard]] Fd bound(const std::string& ip, std::uint16_t port, int type) const {
        Fd out;
        const auto file = kernel::open_network_of(pid());
        const auto made = kernel::inside_network(*file, [&]() -> Result<> {
            socklen_t size = 0;
            const auto address = address_of(ip, port, size);
            out = Fd(::socket(address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            const int on = 1;
            ::setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
            ::setsockopt(out.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
            if (address.ss_family == AF_INET6) ::setsockopt(out.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
            const bool is_bound = ::bind(out.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                                  (type == SOCK_DGRAM || ::listen(out.get(), 16) == 0);
            return is_bound ? Result<>{} : fail_errno("bind", errno);
        });
        if (!made) out.reset();
        return out;
    }

private:
    std::unique_ptr<Child> process_;
};

// The daemon's sockets in other network namespaces.
class Proxy {
public:
    Proxy(Playground& place, kernel::Redirect& redirect)
        : networks({.redirect = redirect,
                    .ports = place.ports(),
                    .opened = [this](std::uint64_t cookie, kernel::Networks::Sockets made) -> Result<> {
                        last_cookie = cookie;
                        for (auto& socket : made.tcp) tcp_.push_back(std::move(socket));
                        for (auto& socket : made.udp) udp_.push_back(std::move(socket));
                        return {};
                    },
                    .closed = [this](std::uint64_t) { ++left; }}) {}

    // The next connection or datagram, while events are answered.
    [[nodiscard]] Fd accept(kernel::Redirect& redirect, std::chrono::milliseconds patience = 4s) {
        Fd out;
        wait(redirect, tcp_, patience, [&](int ready) { out = Fd(::accept4(ready, nullptr, nullptr, SOCK_CLOEXEC)); });
        return out;
    }
    [[nodiscard]] model::Endpoint receive(kernel::Redirect& redirect, std::uint16_t& port,
                                          std::chrono::milliseconds patience = 4s) {
        sockaddr_storage from{};
        wait(redirect, udp_, patience, [&](int ready) {
            std::array<char, 512> buffer{};
            socklen_t size = sizeof(from);
            EXPECT_GT(::recvfrom(ready, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size), 0);
            sockaddr_storage own{};
            socklen_t own_size = sizeof(own);
            EXPECT_EQ(::getsockname(ready, reinterpret_cast<sockaddr*>(&own), &own_size), 0);
            port = model::Endpoint::from(own)->port;
            EXPECT_EQ(::sendto(ready, "answer", 6, 0, reinterpret_cast<const sockaddr*>(&from), size), 6);
        });
        return model::Endpoint::from(from).value_or(model::Endpoint{});
    }
    void answer_events(kernel::Redirect& redirect) {
        networks.look_around();
        const auto polled = redirect.poll_events(20, [&](const kernel::Event& event) {
            if (event.kind == Kind::asks_for_network) return networks.asked(event);
            events.push_back(event);
        });
        EXPECT_TRUE(polled.has_value());
    }

    std::uint64_t last_cookie = 0;
    int left = 0;
    std::vector<kernel::Event> events;

private:
    template <typename Take>
    void wait(kernel::Redirect& redirect, const std::vector<Fd>& sockets, std::chrono::milliseconds patience, Take take) {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (std::chrono::steady_clock::now() < end) {
            answer_events(redirect);
            std::vector<pollfd> waited;
            for (const auto& socket : sockets) waited.push_back({socket.get(), POLLIN, 0});
            if (::poll(waited.data(), waited.size(), 10) <= 0) continue;
            for (const auto& one : waited)
                if ((one.revents & POLLIN) != 0) return take(one.fd);
        }
    }

    std::vector<Fd> tcp_;
    std::vector<Fd> udp_;

public:
    kernel::Networks networks;
};

class Elsewhere : public ::testing::Test {
protected:
    void SetUp() override {
        redirect = place.open();
        ASSERT_TRUE(redirect->govern(place.governed()).has_value());
    }
    // In a governed cgroup, and in that namespace from the moment it connects.
    [[nodiscard]] static std::string connect_in(const Namespace& where, const std::string& ip,
                                                std::uint16_t port = target_port) {
        where.enter();
        Fd socket;
        const auto result = connect_to(ip, port, socket);
        if (result != "connected") return result;
        const timeval patience{2, 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        std::array<char, 16> buffer{};
        if (::send(socket.get(), "hello", 5, MSG_NOSIGNAL) != 5) return "send " + error_name(errno);
        const auto size = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
        return size < 0 ? "recv " + error_name(errno) : std::string(buffer.data(), static_cast<std::size_t>(size));
    }
    // Serves one agent's connection; what it asked for.
    std::string serve(Proxy& proxy) const {
        const auto accepted = proxy.accept(*redirect);
        if (!accepted.is_open()) return "nobody came";
        const auto origin = redirect->origin_of(accepted.get());
        if (!origin) return origin.error().message;
        EXPECT_EQ(origin->agent.network, kernel::network_inode_of(container.pid()));
        std::array<char, 16> buffer{};
        EXPECT_EQ(::recv(accepted.get(), buffer.data(), buffer.size(), 0), 5);
        EXPECT_EQ(::send(accepted.get(), "tea", 3, MSG_NOSIGNAL), 3);
        return origin->asked_for.to_text();
    }
    // Between the container and another host, where the target is.
    void wire() const {
        shell(fmt::format("nsenter -t {} -n ip link add c0 type veth peer name t0 netns {}", container.pid(), other.pid()));
        container.run("ip addr add 10.232.7.2/30 dev c0; ip addr add fd00:232::2/64 dev c0 nodad; ip link set c0 up");
        other.run("ip addr add 10.232.7.1/30 dev t0; ip addr add fd00:232::1/64 dev t0 nodad; ip link set t0 up");
    }

    Playground place;
    std::unique_ptr<kernel::Redirect> redirect;
    Namespace container;
    Namespace other;
};

bool has_come(const Fd& listener) {
    pollfd waited{listener.get(), POLLIN, 0};
    return ::poll(&waited, 1, 300) > 0;
}

TEST_F(Elsewhere, the_first_connection_waits_for_the_daemon_and_ends_at_the_proxy) {
    wire();
    const auto target = other.bound(target4, target_port, SOCK_STREAM);
    const auto same6 = other.bound(target6, target_port, SOCK_STREAM);
    ASSERT_TRUE(target.is_open() && same6.is_open());
    Proxy proxy(place, *redirect);
    proxy.answer_events(*redirect);
    for (const std::string ip : {target4, target6}) {
        Child agent(place.governed(), [&] { return connect_in(container, ip); });
        EXPECT_EQ(serve(proxy), (ip == target4 ? ip : "[" + ip + "]") + ":5432");
        EXPECT_EQ(agent.finish(), "tea");
    }
    EXPECT_EQ(proxy.networks.count(), 1U);
    EXPECT_FALSE(has_come(target) || has_come(same6));
    // Nobody else in the container is governed, and reaches it.
    EXPECT_EQ(inside("",
                     [&] {
                         container.enter();
                         Fd socket;
                         return connect_to(target4, target_port, socket);
                     }),
              "connected");
    EXPECT_TRUE(has_come(target));
}

TEST_F(Elsewhere, a_namespace_that_was_prepared_is_served_at_once_and_needs_no_route) {
    Proxy proxy(place, *redirect);
    proxy.answer_events(*redirect);
    ASSERT_TRUE(proxy.networks.prepare(container.pid()).has_value());
    const auto start = std::chrono::steady_clock::now();
    Child agent(place.governed(), [&] { return connect_in(container, target4); });
    EXPECT_EQ(serve(proxy), "10.232.7.1:5432");
    EXPECT_EQ(agent.finish(), "tea");
    EXPECT_LT(std::chrono::steady_clock::now() - start, 900ms);
    ASSERT_TRUE(proxy.networks.prepare(::getpid()).has_value());
    EXPECT_EQ(proxy.networks.count(), 1U);
}

TEST_F(Elsewhere, a_namespace_whose_loopback_is_down_leads_nowhere_until_it_is_raised) {
    const Namespace silent(false);
    Proxy proxy(place, *redirect);
    proxy.answer_events(*redirect);
    ASSERT_TRUE(proxy.networks.prepare(silent.pid()).has_value());
    const auto failures = proxy.networks.take_failures();
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_NE(failures[0].find("loopback is down"), std::string::npos);
    EXPECT_EQ(inside(place.governed(), [&] { return connect_in(silent, target4); }), "ENETUNREACH");
    silent.run("ip link set lo up");
    Child agent(place.governed(), [&] { return connect_in(silent, target4); });
    EXPECT_TRUE(proxy.accept(*redirect).is_open());
}

TEST_F(Elsewhere, loopback_there_is_not_the_daemons) {
    Proxy proxy(place, *redirect);
    ASSERT_TRUE(proxy.networks.prepare(container.pid()).has_value());
    EXPECT_EQ(inside(place.governed(), [&] { return connect_in(container, "127.0.0.1"); }), "EPERM");
    EXPECT_EQ(inside(place.governed(), [&] { return connect_in(container, "::1"); }), "EPERM");
}

TEST_F(Elsewhere, who_takes_the_proxys_place_receives_nothing) {
    std::vector<Fd> impostors;
    for (const auto port : place.ports()) {
        for (const auto* ip : {"127.0.0.1", "::1"}) {
            impostors.push_back(container.bound(ip, port, SOCK_STREAM));
            impostors.push_back(container.bound(ip, port, SOCK_DGRAM));
            ASSERT_TRUE(impostors.back().is_open());
        }
    }
    const auto expect_nothing = [&] {
        for (const std::string ip : {target4, target6})
            EXPECT_EQ(inside(place.governed(), [&] { return connect_in(container, ip); }), "EPERM");
        EXPECT_EQ(inside(place.governed(),
                         [&] {
                             container.enter();
                             socklen_t size = 0;
                             const auto to = address_of("9.9.9.9", 53, size);
                             const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                             const auto sent =
                                 ::sendto(socket.get(), "query", 5, 0, reinterpret_cast<const sockaddr*>(&to), size);
                             return sent == 5 ? std::string("sent") : error_name(errno);
                         }),
                  "EPERM");
        for (const auto& impostor : impostors) {
            pollfd waited{impostor.get(), POLLIN, 0};
            EXPECT_EQ(::poll(&waited, 1, 0), 0);
        }
    };
    expect_nothing();  // nobody was ever there
    Proxy proxy(place, *redirect);
    EXPECT_FALSE(proxy.networks.prepare(container.pid()).has_value());
    expect_nothing();
    impostors.clear();
    ::usleep(10'000);
    ASSERT_TRUE(proxy.networks.prepare(container.pid()).has_value());
    Child agent(place.governed(), [&] { return connect_in(container, target4); });
    EXPECT_EQ(serve(proxy), "10.232.7.1:5432");
    EXPECT_EQ(agent.finish(), "tea");
    // Nor can it be shared by root with the daemon there.
    EXPECT_FALSE(container.bound("127.0.0.1", place.ports().front(), SOCK_STREAM).is_open());
    EXPECT_FALSE(container.bound("127.0.0.1", place.ports().front(), SOCK_DGRAM).is_open());
}

TEST_F(Elsewhere, who_comes_between_connect_and_the_first_packet_receives_nothing) {
    // The daemon is expected, so the connection waits; an impostor is faster.
    std::optional<Proxy> proxy(std::in_place, place, *redirect);
    proxy->answer_events(*redirect);
    Child agent(place.governed(), [&] { return connect_in(container, target4); });
    ::usleep(300'000);
    std::vector<Fd> impostors;
    for (const auto port : place.ports()) impostors.push_back(container.bound("127.0.0.1", port, SOCK_STREAM));
    for (const auto& impostor : impostors) EXPECT_TRUE(impostor.is_open());
    for (int i = 0; i < 20; ++i) proxy->answer_events(*redirect);
    ::usleep(2'000'000);
    for (const auto& impostor : impostors) {
        pollfd waited{impostor.get(), POLLIN, 0};
        EXPECT_EQ(::poll(&waited, 1, 0), 0);
    }
    const auto failures = proxy->networks.take_failures();
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_NE(failures[0].find("Address already in use"), std::string::npos) << failures[0];
}

TEST_F(Elsewhere, with_the_daemon_gone_an_open_connection_reaches_nobody_and_a_new_daemon_takes_over) {
    std::optional<Proxy> proxy(std::in_place, place, *redirect);
    ASSERT_TRUE(proxy->networks.prepare(container.pid()).has_value());
    std::array<int, 2> gate{};
    ASSERT_EQ(::pipe2(gate.data(), O_CLOEXEC), 0);
    Child agent(place.governed(), [&] {
        proxy.reset();  // a fork has its sockets too
        container.enter();
        Fd socket;
        if (const auto result = connect_to(target4, target_port, socket); result != "connected") return result;
        char byte = 0;
        if (::read(gate[0], &byte, 1) != 1) return std::string("gate");
        const auto first = ::send(socket.get(), "secret", 6, MSG_NOSIGNAL);
        ::usleep(100'000);
        const auto second = ::send(socket.get(), "secret", 6, MSG_NOSIGNAL);
        return first == 6 && second == 6 ? std::string("sent twice") : error_name(errno);
    });
    auto accepted = proxy->accept(*redirect);
    ASSERT_TRUE(accepted.is_open());
    accepted.reset();
    proxy.reset();  // as when it is killed: its sockets are gone
    std::vector<Fd> impostors;
    for (const auto port : place.ports()) impostors.push_back(container.bound("127.0.0.1", port, SOCK_STREAM));
    for (const auto& impostor : impostors) EXPECT_TRUE(impostor.is_open());
    ASSERT_EQ(::write(gate[1], "g", 1), 1);
    EXPECT_NE(agent.finish(), "sent twice");
    EXPECT_EQ(inside(place.governed(), [&] { return connect_in(container, target4); }), "EPERM");
    for (const auto& impostor : impostors) EXPECT_FALSE(has_come(impostor));
    impostors.clear();
    Proxy next(place, *redirect);
    Child again(place.governed(), [&] { return connect_in(container, target4); });
    next.answer_events(*redirect);
    EXPECT_EQ(serve(next), "10.232.7.1:5432");
    EXPECT_EQ(again.finish(), "tea");
}

TEST_F(Elsewhere, lookups_come_to_the_daemon_and_are_answered) {
    Proxy proxy(place, *redirect);
    ASSERT_TRUE(proxy.networks.prepare(container.pid()).has_value());
    for (const std::string resolver : {"9.9.9.9", "127.0.0.11", "fd00::53"}) {
        Child agent(place.governed(), [&] {
            container.enter();
            socklen_t size = 0;
            const auto to = address_of(resolver, 53, size);
            const Fd socket(::socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            if (::sendto(socket.get(), "query", 5, 0, reinterpret_cast<const sockaddr*>(&to), size) != 5)
                return error_name(errno);
            std::array<char, 64> buffer{};
            sockaddr_storage from{};
            socklen_t from_size = sizeof(from);
            pollfd waited{socket.get(), POLLIN, 0};
            if (::poll(&waited, 1, 3000) <= 0) return std::string("no answer");
            const auto length =
                ::recvfrom(socket.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
            return model::Endpoint::from(from)->address.to_text() + " " +
                   std::string(buffer.data(), static_cast<std::size_t>(length));
        });
        std::uint16_t port = 0;
        const auto source = proxy.receive(*redirect, port);
        const auto sender = redirect->sender_of(source, port, proxy.last_cookie);
        ASSERT_TRUE(sender.has_value()) << sender.error().message;
        EXPECT_EQ(sender->asked_for.address.to_text(), resolver);
        EXPECT_EQ(sender->agent.network, kernel::network_inode_of(container.pid()));
        EXPECT_FALSE(redirect->sender_of(source, port, *kernel::own_network_cookie()).has_value());
        EXPECT_EQ(agent.finish(), resolver + " answer");
    }
}

TEST_F(Elsewhere, capabilities_over_a_network_are_told) {
    Proxy proxy(place, *redirect);
    proxy.answer_events(*redirect);
    const auto capabilities_of = [&](int flags) {
        Child agent(place.governed(), [&]() -> std::string {
            if (flags == 0) container.enter();
            if (::unshare(CLONE_NEWUSER | flags) != 0) return error_name(errno);
            if (flags != 0) raise_loopback();
            Fd socket;
            return connect_to(target4, target_port, socket);
        });
        const auto accepted = proxy.accept(*redirect);
        const auto origin = redirect->origin_of(accepted.get());
        EXPECT_EQ(agent.finish(), "connected");
        return origin ? origin->agent.capabilities : ~std::uint64_t{0};
    };
    EXPECT_EQ(capabilities_of(CLONE_NEWNET), 1U << 12U | 1U << 13U);
    EXPECT_EQ(capabilities_of(0), 0U);
}

TEST_F(Elsewhere, namespaces_are_bounded_and_left_when_no_agent_is_in_them) {
    const auto run = place.governed() / "run-1.scope";
    std::filesystem::create_directories(run);
    Proxy proxy(place, *redirect);
    std::vector<std::unique_ptr<Child>> agents;
    for (std::size_t i = 0; i < limits::networks_per_agent + 3; ++i)
        agents.push_back(std::make_unique<Child>(run, [] {
            if (::unshare(CLONE_NEWNET) != 0 || std::system("ip link set lo up") != 0) return std::string("unshare");
            ::raise(SIGSTOP);
            Fd socket;
            return connect_to(target4, target_port, socket);
        }));
    for (const auto& agent : agents) {
        int status = 0;
        ASSERT_EQ(::waitpid(agent->pid(), &status, WUNTRACED), agent->pid());
    }
    for (int i = 0; i < 3; ++i) {
        proxy.answer_events(*redirect);
        ::usleep(500'000);
    }
    EXPECT_EQ(proxy.networks.count(), limits::networks_per_agent);
    const auto failures = proxy.networks.take_failures();
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_NE(failures[0].find("network namespaces already"), std::string::npos) << failures[0];
    agents.clear();
    for (int i = 0; i < 80 && proxy.networks.count() > 0; ++i) {
        proxy.answer_events(*redirect);
        ::usleep(80'000);
    }
    EXPECT_EQ(proxy.networks.count(), 0U);
    EXPECT_EQ(proxy.left, static_cast<int>(limits::networks_per_agent));
}

}  // namespace
}  // namespace assent::kernel_tests

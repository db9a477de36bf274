// Lookups: whatever resolver an agent asks, its query comes to the daemon, which is told who asks; and the answer seems to
// come from the resolver that was asked.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/network_namespace.h"
#include "kernel/playground.h"

namespace assent::kernel_tests {
namespace {

// The daemon's DNS listeners, one for each port and family.
class Listeners {
public:
    explicit Listeners(const std::vector<std::uint16_t>& ports) {
        for (const auto port : ports) {
            for (const auto* ip : {"127.0.0.1", "::1"}) {
                socklen_t size = 0;
                const auto address = address_of(ip, port, size);
                Fd socket(::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size), 0) << ip;
                sockets_.push_back({std::move(socket), port});
            }
        }
    }

    struct Query {
        model::Endpoint source;
        std::uint16_t port = 0;
        std::string text;
        int socket = -1;
        sockaddr_storage from{};
        socklen_t size = sizeof(sockaddr_storage);
        void answer(std::string_view with) const {
            EXPECT_EQ(::sendto(socket, with.data(), with.size(), 0, reinterpret_cast<const sockaddr*>(&from), size),
                      static_cast<ssize_t>(with.size()));
        }
    };
    // The next datagram; without text after `patience_ms` without one.
    [[nodiscard]] Query next(int patience_ms = 2000) const {
        std::vector<pollfd> waited;
        for (const auto& one : sockets_) waited.push_back({one.socket.get(), POLLIN, 0});
        Query out;
        if (::poll(waited.data(), waited.size(), patience_ms) <= 0) return out;
        const auto ready = std::ranges::find_if(waited, [](const pollfd& one) { return (one.revents & POLLIN) != 0; });
        std::array<char, 512> buffer{};
        out.socket = ready->fd;
        out.port = sockets_[static_cast<std::size_t>(ready - waited.begin())].port;
        const auto length =
            ::recvfrom(ready->fd, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&out.from), &out.size);
        if (length > 0) out.text.assign(buffer.data(), static_cast<std::size_t>(length));
        out.source = *model::Endpoint::from(out.from);
        return out;
    }

private:
    struct One {
        Fd socket;
        std::uint16_t port = 0;
    };
    std::vector<One> sockets_;
};

class Naming : public ::testing::Test {
protected:
    void SetUp() override {
        redirect = place.open();
        ASSERT_TRUE(redirect->govern(place.governed()).has_value());
    }
    Playground place;
    std::unique_ptr<kernel::Redirect> redirect;
};

// "ADDRESS TEXT" of the next datagram of a socket.
std::string receive(int socket) {
    std::array<char, 512> buffer{};
    sockaddr_storage from{};
    socklen_t size = sizeof(from);
    pollfd waited{socket, POLLIN, 0};
    if (::poll(&waited, 1, 2000) <= 0) return "nothing";
    const auto length = ::recvfrom(socket, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (length < 0) return error_name(errno);
    return model::Endpoint::from(from)->to_text() + " " + std::string(buffer.data(), static_cast<std::size_t>(length));
}

enum class Way { unconnected, connected, many };

// Asks `ip`, and gives what came back, and of a connected socket its peer.
std::string ask(const std::string& ip, Way way) {
    socklen_t size = 0;
    auto storage = address_of(ip, 53, size);
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    const Fd socket(::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (way != Way::unconnected && ::connect(socket.get(), address, size) != 0) return "connect " + error_name(errno);
    std::array<char, 5> text{'q', 'u', 'e', 'r', 'y'};
    iovec part{text.data(), text.size()};
    std::array<mmsghdr, 2> messages{};
    for (auto& one : messages) one.msg_hdr.msg_iov = &part, one.msg_hdr.msg_iovlen = 1;
    ssize_t sent = -1;
    if (way == Way::unconnected) sent = ::sendto(socket.get(), text.data(), text.size(), 0, address, size);
    if (way == Way::connected) sent = ::send(socket.get(), text.data(), text.size(), 0);
    if (way == Way::many) sent = ::sendmmsg(socket.get(), messages.data(), messages.size(), MSG_NOSIGNAL);
    if (sent < 0) return error_name(errno);
    std::string out = receive(socket.get());
    if (way != Way::unconnected) out += " from " + peer_of(socket.get());
    return out;
}

TEST_F(Naming, any_resolver_is_the_daemon_and_seems_to_be_itself) {
    const Listeners listeners(place.ports());
    const std::array<std::pair<const char*, const char*>, 6> resolvers = {
        {{"127.0.0.53", "127.0.0.53:53"},
         {"8.8.8.8", "8.8.8.8:53"},
         {"::ffff:9.9.9.9", "9.9.9.9:53"},
         {"2001:4860:4860::8888", "[2001:4860:4860::8888]:53"},
         {"::1", "[::1]:53"},
         {"0.0.0.0", "127.0.0.1:53"}}};
    for (const auto& [ip, shown] : resolvers) {
        for (const auto way : {Way::unconnected, Way::connected, Way::many}) {
            Child agent(place.governed(), [address = ip, way] { return ask(address, way); });
            for (int i = 0; i < (way == Way::many ? 2 : 1); ++i) {
                const auto query = listeners.next();
                ASSERT_EQ(query.text, "query") << ip << " way " << static_cast<int>(way) << ": " << agent.finish();
                const auto sender = redirect->sender_of(query.source, query.port, *kernel::own_network_cookie());
                ASSERT_TRUE(sender.has_value()) << ip << ": " << sender.error().message;
                EXPECT_EQ(sender->asked_for.to_text(), shown);
                EXPECT_EQ(sender->agent.comm, "kernel_hooks");
                EXPECT_EQ(sender->agent.pid, agent.pid());
                query.answer("answer");
            }
            const auto said = agent.finish();
            EXPECT_TRUE(said.starts_with(fmt::format("{} answer", shown))) << ip << ": " << said;
            const bool is_mapped = std::string_view(ip).find("ffff") != std::string_view::npos;
            if (way != Way::unconnected && !is_mapped) {
                EXPECT_TRUE(said.ends_with(fmt::format("from {}", shown))) << said;
            }
        }
    }
}

TEST_F(Naming, one_socket_waits_for_several_resolvers) {
    const Listeners listeners(place.ports());
    Child agent(place.governed(), [] {
        const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        for (const auto* ip : {"10.0.0.1", "10.0.0.2", "10.0.0.3"}) {
            socklen_t size = 0;
            const auto address = address_of(ip, 53, size);
            if (::sendto(socket.get(), ip, std::strlen(ip), 0, reinterpret_cast<const sockaddr*>(&address), size) < 0)
                return error_name(errno);
        }
        std::string out;
        for (int i = 0; i < 3; ++i) out += receive(socket.get()) + "\n";
        return out;
    });
    std::vector<Listeners::Query> queries;
    for (int i = 0; i < 3; ++i) queries.push_back(listeners.next());
    // The last one is answered first.
    for (auto query = queries.rbegin(); query != queries.rend(); ++query) {
        const auto sender = redirect->sender_of(query->source, query->port, *kernel::own_network_cookie());
        ASSERT_TRUE(sender.has_value());
        EXPECT_EQ(sender->asked_for.address.to_text(), query->text);
        query->answer(query->text);
    }
    EXPECT_EQ(agent.finish(), "10.0.0.3:53 10.0.0.3\n10.0.0.2:53 10.0.0.2\n10.0.0.1:53 10.0.0.1\n");
}

std::string look_up(const std::string& name) {
    // Its own view of /etc/resolv.conf, with a resolver that does not exist.
    if (::unshare(CLONE_NEWNS) != 0) return "unshare";
    const auto file = fmt::format("/tmp/assent-resolv-{}", ::getpid());
    std::ofstream(file) << "nameserver 203.0.113.53\noptions timeout:1 attempts:1\n";
    const auto mounted = ::mount(file.c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr);
    ::unlink(file.c_str());
    if (mounted != 0) return "mount " + error_name(errno);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (const int error = ::getaddrinfo(name.c_str(), "5432", &hints, &list); error != 0) return ::gai_strerror(error);
    std::array<char, 64> text{};
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(list->ai_addr)->sin_addr, text.data(), text.size());
    ::freeaddrinfo(list);
    return text.data();
}

TEST_F(Naming, the_c_librarys_lookup_works) {
    const Listeners listeners(place.ports());
    Child agent(place.governed(), [] { return look_up("payments-db.internal.test."); });
    for (int i = 0; i < 2; ++i) {
        auto query = listeners.next();
        ASSERT_GT(query.text.size(), 17U);
        // Up to the end of the question: what follows (EDNS) is dropped.
        std::size_t at = 12;
        while (at < query.text.size() && query.text[at] != 0) at += static_cast<unsigned char>(query.text[at]) + 1U;
        at += 5;
        const bool is_a = query.text[at - 3] == 1;
        std::string answer = query.text.substr(0, at);
        answer[2] = '\x81';
        answer[3] = '\x80';
        answer[7] = is_a ? 1 : 0;
        answer[11] = 0;
        static constexpr std::array<char, 16> record{'\xc0', 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, 3};
        if (is_a) answer.append(record.data(), record.size());
        query.answer(answer);
    }
    EXPECT_EQ(agent.finish(), "10.1.2.3");
}

TEST_F(Naming, without_a_daemon_there_is_no_answer_and_no_way_around_it) {
    EXPECT_EQ(inside(place.governed(),
                     [] {
                         socklen_t size = 0;
                         const auto address = address_of("203.0.113.53", 53, size);
                         const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                         static_cast<void>(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size));
                         static_cast<void>(::send(socket.get(), "query", 5, 0));
                         return receive(socket.get());
                     }),
              "ECONNREFUSED");
}

TEST_F(Naming, the_daemons_port_itself_is_closed_to_agents) {
    const Listeners listeners(place.ports());
    const auto port = place.ports().front();
    for (const auto* ip : {"127.0.0.1", "127.0.0.7", "::1", "::ffff:127.0.0.1"}) {
        for (const bool is_connected : {false, true}) {
            EXPECT_EQ(inside(place.governed(),
                             [&] {
                                 socklen_t size = 0;
                                 const auto storage = address_of(ip, port, size);
                                 const auto* address = reinterpret_cast<const sockaddr*>(&storage);
                                 const Fd socket(::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                                 if (is_connected && ::connect(socket.get(), address, size) != 0) return error_name(errno);
                                 const auto sent = is_connected ? ::send(socket.get(), "x", 1, 0)
                                                                : ::sendto(socket.get(), "x", 1, 0, address, size);
                                 return sent == 1 ? std::string("sent") : error_name(errno);
                             }),
                      "EPERM")
                << ip;
        }
    }
    EXPECT_EQ(listeners.next(100).text, "");
}

TEST_F(Naming, a_datagram_of_somebody_else_has_no_sender) {
    const Listeners listeners(place.ports());
    socklen_t size = 0;
    const auto address = address_of("127.0.0.1", place.ports().front(), size);
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), size), 1);
    const auto query = listeners.next();
    ASSERT_EQ(query.text, "x");
    const auto sender = redirect->sender_of(query.source, query.port, *kernel::own_network_cookie());
    ASSERT_FALSE(sender.has_value());
    EXPECT_EQ(sender.error().code, Errc::not_found);
}

TEST_F(Naming, nobody_but_the_daemon_can_answer_an_agent) {
    const Listeners listeners(place.ports());
    Child agent(place.governed(), [] {
        const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        socklen_t size = 0;
        auto own = address_of("127.0.0.1", agent_port, size);
        if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), size) != 0) return error_name(errno);
        const auto address = address_of("127.0.0.99", 53, size);
        if (::sendto(socket.get(), "query", 5, 0, reinterpret_cast<const sockaddr*>(&address), size) != 5)
            return error_name(errno);
        return receive(socket.get());
    });
    const auto query = listeners.next();
    ASSERT_EQ(query.text, "query");
    // From the very address that was asked.
    const Fd liar(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    socklen_t size = 0;
    const auto own = address_of("127.0.0.99", 53, size);
    ASSERT_EQ(::bind(liar.get(), reinterpret_cast<const sockaddr*>(&own), size), 0);
    const auto to = address_of("127.0.0.1", agent_port, size);
    ASSERT_EQ(::sendto(liar.get(), "lie", 3, 0, reinterpret_cast<const sockaddr*>(&to), size), 3);
    ::usleep(50'000);
    query.answer("truth");
    EXPECT_EQ(agent.finish(), "127.0.0.99:53 truth");
}

TEST_F(Naming, an_agent_in_a_network_namespace_without_the_daemon_gets_no_answer) {
    const auto result = inside(place.governed(), [] {
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return "unshare " + error_name(errno);
        return ask("127.0.0.53", Way::connected) + " " + ask("127.0.0.53", Way::unconnected);
    });
    EXPECT_EQ(result, "connect ENETUNREACH ENETUNREACH");
}

TEST_F(Naming, an_agent_cannot_be_a_resolver) {
    // In a network namespace of its own it is root, has the resolver's address, and would like to be the resolver.
    const auto result = inside(place.governed(), [] {
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return "unshare " + error_name(errno);
        socklen_t size = 0;
        const auto address = address_of("127.0.0.77", 53, size);
        const Fd own(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        return ::bind(own.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 ? std::string("bound")
                                                                                         : error_name(errno);
    });
    EXPECT_EQ(result, "EPERM");
}

}  // namespace
}  // namespace assent::kernel_tests

// Sockets that were there before their cgroup was governed.
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/cgroup.h"
#include "kernel/pins.h"
#include "kernel/playground.h"

namespace assent::kernel_tests {
namespace {

using kernel::EarlierSocket;

std::uint16_t port_of(int socket) {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

Fd bound(const std::string& ip, int type) {
    socklen_t size = 0;
    const auto address = address_of(ip, 0, size);
    Fd socket(::socket(address.ss_family, type | SOCK_CLOEXEC, 0));
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return {};
    if (type == SOCK_STREAM && ::listen(socket.get(), 16) != 0) return {};
    return socket;
}

std::string told(const Result<>& done) { return done ? "done" : done.error().message; }

constexpr int long_ms = 10'000;  // for what is to happen, on a slow machine
constexpr int short_ms = 500;    // for what is not

// What happens to a socket: "readable", "nothing", "end", or the name of its error.
std::string end_of(int socket, int wait_ms = long_ms) {
    pollfd waited{socket, POLLIN, 0};
    if (::poll(&waited, 1, wait_ms) <= 0) return "nothing";
    char byte = 0;
    const auto size = ::recv(socket, &byte, 1, MSG_DONTWAIT);
    return size > 0 ? "readable" : size == 0 ? "end" : error_name(errno);
}

std::string send_to(int socket, const std::string& ip, std::uint16_t port) {
    socklen_t size = 0;
    const auto address = address_of(ip, port, size);
    static constexpr std::array<char, 8> message{};
    const auto sent =
        ::sendto(socket, message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
    return sent > 0 ? "sent" : error_name(errno);
}

std::string connect_again(int socket, const std::string& ip, std::uint16_t port) {
    const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
    ::connect(socket, &nowhere, sizeof(nowhere));
    socklen_t size = 0;
    const auto address = address_of(ip, port, size);
    return error_name(::connect(socket, reinterpret_cast<const sockaddr*>(&address), size) == 0 ? 0 : errno);
}

// Whether no program of these types is attached any more: the kernel lets go of a link some time after its last name.
bool are_gone(const std::filesystem::path& cgroup, std::initializer_list<bpf_attach_type> types) {
    const Fd folder(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto is_gone = [&](bpf_attach_type type) {
        __u32 count = 0;
        return ::bpf_prog_query(folder.get(), type, 0, nullptr, nullptr, &count) == 0 && count == 0;
    };
    for (int waited = 0; waited < long_ms; waited += 10) {
        if (std::ranges::all_of(types, is_gone)) return true;
        ::usleep(10'000);
    }
    return false;
}

// Two ends of a pipe by which an agent says that it has its sockets, and is told that it is governed.
struct Turn {
    Turn() { EXPECT_TRUE(::pipe(ready) == 0 && ::pipe(go) == 0); }
    ~Turn() {
        for (const int end : {ready[0], ready[1], go[0], go[1]}) ::close(end);
    }
    void wait_for_govern() const {
        char byte = 0;
        if (::write(ready[1], "r", 1) != 1 || ::read(go[0], &byte, 1) != 1) ::_exit(1);
    }
    void wait_for_agent() const {
        char byte = 0;
        EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    }
    void tell_governed() const { EXPECT_EQ(::write(go[1], "g", 1), 1); }
    int ready[2]{};
    int go[2]{};
};

class Before : public ::testing::Test {
protected:
    Before() : outside(place.governed().parent_path() / "outside") {
        ::mkdir(outside.c_str(), 0755);
        for (const auto* ip : {"127.0.0.1", "::1"}) {
            const Fd& tcp = listeners.emplace_back(bound(ip, SOCK_STREAM));
            ::fcntl(tcp.get(), F_SETFL, O_NONBLOCK);
            (std::string_view(ip) == "::1" ? tcp6 : tcp4) = port_of(tcp.get());
        }
        udp = bound("127.0.0.1", SOCK_DGRAM);
        udp_port = port_of(udp.get());
    }

    std::unique_ptr<kernel::Redirect> open(bool ends = true) {
        auto options = place.options();
        options.ends_earlier_sockets = ends;
        auto opened = kernel::Redirect::open(options);
        EXPECT_TRUE(opened.has_value()) << opened.error().message;
        return std::move(*opened);
    }

    [[nodiscard]] Fd accept(std::size_t listener, int wait_ms = long_ms) const {
        pollfd waited{listeners[listener].get(), POLLIN, 0};
        if (::poll(&waited, 1, wait_ms) <= 0) return {};
        return Fd(::accept4(listeners[listener].get(), nullptr, nullptr, SOCK_CLOEXEC));
    }

    Playground place;
    std::filesystem::path outside;
    std::vector<Fd> listeners;
    Fd udp;
    std::uint16_t tcp4 = 0;
    std::uint16_t tcp6 = 0;
    std::uint16_t udp_port = 0;
};

const EarlierSocket* find(const kernel::EarlierSockets& all, std::string_view protocol, std::uint16_t remote_port,
                          std::string_view state = {}) {
    const auto found = std::ranges::find_if(all.sockets, [&](const EarlierSocket& each) {
        return each.protocol == protocol && each.remote.port == remote_port && (state.empty() || each.state == state);
    });
    return found == all.sockets.end() ? nullptr : &*found;
}

TEST_F(Before, what_a_unit_made_is_destroyed_and_told) {
    const auto redirect = open();
    const Turn turn;
    Child agent(place.governed(), [&]() -> std::string {
        Fd v4;
        Fd v6;
        if (connect_to("127.0.0.1", tcp4, v4) != "connected" || connect_to("::1", tcp6, v6) != "connected") return "setup";
        const Fd listening = bound("127.0.0.1", SOCK_STREAM);
        const Fd datagram = bound("127.0.0.1", SOCK_DGRAM);
        if (connect_again(datagram.get(), "127.0.0.1", udp_port) != "connected") return "setup";
        const Fd unconnected = bound("127.0.0.1", SOCK_DGRAM);
        turn.wait_for_govern();
        return end_of(v4.get()) + " " + end_of(v6.get()) + " " + end_of(datagram.get()) + " " + end_of(unconnected.get()) +
               " " + (::accept(listening.get(), nullptr, nullptr) < 0 ? error_name(errno) : "accepted");
    });
    turn.wait_for_agent();
    const Fd peer4 = accept(0);
    const Fd peer6 = accept(1);
    ASSERT_TRUE(peer4.is_open() && peer6.is_open());
    EXPECT_EQ(told(redirect->govern(place.governed())), "done");
    EXPECT_EQ(end_of(peer4.get()), "ECONNRESET");
    EXPECT_EQ(end_of(peer6.get()), "ECONNRESET");
    turn.tell_governed();
    EXPECT_EQ(agent.finish(), "ECONNABORTED ECONNABORTED ECONNABORTED ECONNABORTED EINVAL");

    const auto all = redirect->take_earlier_sockets();
    EXPECT_EQ(all.sockets.size(), 5U);
    for (const auto& socket : all.sockets) EXPECT_TRUE(socket.is_ended && socket.note.empty()) << socket.note;
    const auto* tcp = find(all, "tcp", tcp4, "established");
    ASSERT_NE(tcp, nullptr);
    EXPECT_EQ(tcp->remote.to_text(), fmt::format("127.0.0.1:{}", tcp4));
    EXPECT_NE(tcp->local.port, 0);
    EXPECT_GT(tcp->holder.pid, 0);
    EXPECT_EQ(tcp->holder.comm, "kernel_hooks");
    EXPECT_TRUE(tcp->holder.cgroup_path.ends_with(place.governed().filename().string())) << tcp->holder.cgroup_path;
    ASSERT_NE(find(all, "tcp", tcp6), nullptr);
    EXPECT_EQ(find(all, "tcp", tcp6)->remote.to_text(), fmt::format("[::1]:{}", tcp6));
    EXPECT_NE(find(all, "udp", udp_port, "established"), nullptr);
    EXPECT_NE(find(all, "udp", 0, "unconnected"), nullptr);
    EXPECT_NE(find(all, "tcp", 0, "listening"), nullptr);
    EXPECT_TRUE(redirect->take_earlier_sockets().sockets.empty());
}

TEST_F(Before, what_was_made_before_joining_is_destroyed_and_never_used_again) {
    const auto redirect = open();
    const Turn turn;
    Child agent(outside, [&]() -> std::string {
        Fd v4;
        Fd v6;
        if (connect_to("127.0.0.1", tcp4, v4) != "connected" || connect_to("::1", tcp6, v6) != "connected") return "setup";
        const Fd datagram = bound("127.0.0.1", SOCK_DGRAM);
        const Fd raw(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
        const Fd fresh(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));  // connected to nothing yet
        enter(place.governed());
        turn.wait_for_govern();
        return end_of(v4.get()) + " " + connect_again(v4.get(), "127.0.0.1", tcp4) + " " +
               connect_again(v6.get(), "::1", tcp6) + " " + send_to(datagram.get(), "127.0.0.1", udp_port) + " " +
               send_to(raw.get(), "127.0.0.1", 0) + " " + connect_again(fresh.get(), "127.0.0.1", tcp4);
    });
    turn.wait_for_agent();
    const Fd peer4 = accept(0);
    const Fd peer6 = accept(1);
    ASSERT_TRUE(peer4.is_open() && peer6.is_open());
    EXPECT_EQ(told(redirect->govern(place.governed())), "done");
    EXPECT_NE(end_of(peer4.get()), "nothing");
    EXPECT_NE(end_of(peer6.get()), "nothing");
    turn.tell_governed();
    const auto ends = agent.finish();
    // With BPF LSM the use of a foreign socket is refused before all that.
    EXPECT_TRUE(ends == "ECONNABORTED EPERM EPERM EPERM EPERM EPERM" || redirect->has_guard()) << ends;
    EXPECT_EQ(end_of(udp.get(), short_ms), "nothing");
    EXPECT_FALSE(accept(0, short_ms).is_open() || accept(1, short_ms).is_open());
    const auto all = redirect->take_earlier_sockets();
    EXPECT_EQ(all.sockets.size(), 5U);
    for (const auto& socket : all.sockets) EXPECT_TRUE(socket.is_ended && socket.note.empty()) << socket.note;
    EXPECT_EQ(std::ranges::count(all.sockets, "raw", &EarlierSocket::protocol), 1);
}

TEST_F(Before, is_listed_only_when_settings_say_so) {
    const auto redirect = open(false);
    const Turn turn;
    Child agent(place.governed(), [&]() -> std::string {
        Fd v4;
        if (connect_to("127.0.0.1", tcp4, v4) != "connected") return "setup";
        turn.wait_for_govern();
        return end_of(v4.get(), short_ms);
    });
    turn.wait_for_agent();
    const Fd peer = accept(0);
    EXPECT_EQ(told(redirect->govern(place.governed())), "done");
    EXPECT_EQ(end_of(peer.get(), short_ms), "nothing");
    turn.tell_governed();
    EXPECT_EQ(agent.finish(), "nothing");
    const auto all = redirect->take_earlier_sockets();
    ASSERT_EQ(all.sockets.size(), 1U);
    EXPECT_FALSE(all.sockets[0].is_ended);
    EXPECT_EQ(all.sockets[0].remote.port, tcp4);
}

TEST_F(Before, what_an_ungoverned_process_holds_too_is_left_and_said_so) {
    const auto redirect = open();
    const Turn turn;
    Child supervisor(outside, [&]() -> std::string {
        Fd shared;
        if (connect_to("127.0.0.1", tcp4, shared) != "connected") return "setup";
        const Child heir(place.governed(), [&]() -> std::string {
            turn.wait_for_govern();
            ::pause();
            return {};
        });
        char byte = 0;
        return ::recv(shared.get(), &byte, 1, 0) == 1 ? "works" : error_name(errno);
    });
    turn.wait_for_agent();
    const Fd peer = accept(0);
    EXPECT_EQ(told(redirect->govern(place.governed())), "done");
    turn.tell_governed();
    EXPECT_EQ(::send(peer.get(), "x", 1, MSG_NOSIGNAL), 1);
    EXPECT_EQ(supervisor.finish(), "works");
    const auto all = redirect->take_earlier_sockets();
    const auto* tcp = find(all, "tcp", tcp4);
    ASSERT_NE(tcp, nullptr);
    EXPECT_FALSE(tcp->is_ended);
    EXPECT_NE(tcp->note.find("not governed"), std::string::npos) << tcp->note;
}

TEST_F(Before, flows_through_the_proxy_stay_when_hooks_are_taken_over_or_put_back) {
    auto redirect = open();
    place.listen();
    ASSERT_EQ(told(redirect->govern(place.governed())), "done");
    const Turn turn;
    Child agent(place.governed(), [&]() -> std::string {
        Fd proxied;
        if (connect_to("127.0.0.1", tcp4, proxied) != "connected") return "setup";
        turn.wait_for_govern();
        Fd direct;
        if (connect_to("127.0.0.1", tcp4, direct) != "connected") return "setup";
        turn.wait_for_govern();
        return end_of(proxied.get()) + " " + end_of(direct.get());
    });
    turn.wait_for_agent();
    const Fd proxied = place.accept();
    ASSERT_TRUE(proxied.is_open());
    redirect = open();
    ASSERT_EQ(told(redirect->govern(place.governed())), "done");
    EXPECT_TRUE(redirect->take_earlier_sockets().sockets.empty());

    // Somebody takes hooks away, and what is connected meanwhile is "before".
    const kernel::Pins pins(place.bpffs());
    const auto id = *kernel::cgroup_id_of(place.governed());
    for (const auto* name : {"connect4", "egress", "ingress"}) ASSERT_EQ(::unlink((pins.governed(id) / name).c_str()), 0);
    ASSERT_TRUE(are_gone(place.governed(), {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET_EGRESS, BPF_CGROUP_INET_INGRESS}));
    turn.tell_governed();
    turn.wait_for_agent();
    const Fd direct = accept(0);
    ASSERT_TRUE(direct.is_open());
    ASSERT_TRUE(redirect->check().has_value());
    EXPECT_EQ(end_of(direct.get()), "ECONNRESET");
    EXPECT_EQ(::send(proxied.get(), "x", 1, MSG_NOSIGNAL), 1);
    turn.tell_governed();
    EXPECT_EQ(agent.finish(), "readable ECONNABORTED");
    const auto all = redirect->take_earlier_sockets();
    ASSERT_EQ(all.sockets.size(), 1U);
    EXPECT_EQ(all.sockets[0].remote.port, tcp4);
}

TEST_F(Before, is_found_in_other_network_namespaces) {
    const auto redirect = open();
    const Turn turn;
    Child agent(place.governed(), [&]() -> std::string {
        if (::unshare(CLONE_NEWNET) != 0) return error_name(errno);
        const Fd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        std::string_view("lo").copy(request.ifr_name, IFNAMSIZ - 1);
        request.ifr_flags = IFF_UP;
        if (::ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) return error_name(errno);
        const Fd listening = bound("127.0.0.1", SOCK_STREAM);
        Fd connected;
        if (connect_to("127.0.0.1", port_of(listening.get()), connected) != "connected") return "setup";
        const Fd accepted(::accept(listening.get(), nullptr, nullptr));
        turn.wait_for_govern();
        const auto first = end_of(connected.get());
        const auto second = end_of(accepted.get());
        return first == "nothing" || second == "nothing" ? first + " " + second : "ended";
    });
    turn.wait_for_agent();
    EXPECT_EQ(told(redirect->govern(place.governed())), "done");
    turn.tell_governed();
    EXPECT_EQ(agent.finish(), "ended");
    const auto all = redirect->take_earlier_sockets();
    EXPECT_EQ(std::ranges::count(all.sockets, "tcp", &EarlierSocket::protocol), 3);
    for (const auto& socket : all.sockets)
        EXPECT_TRUE(socket.is_ended) << socket.protocol << " " << socket.state << ": " << socket.note;
}

TEST_F(Before, unix_connections_to_services_are_listed) {
    const auto redirect = open();
    const auto path = place.bpffs().string() + ".sock";
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
    const Fd service(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(service.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(::listen(service.get(), 4), 0);
    ASSERT_EQ(::chmod(path.c_str(), 0777), 0);
    const Turn turn;
    // The daemon's own services are nothing to tell, so another process keeps this one.
    Child keeper(outside, [&]() -> std::string {
        const Fd accepted(::accept(service.get(), nullptr, nullptr));
        ::pause();
        return {};
    });
    Child agent(place.governed(), [&]() -> std::string {
        const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
            return error_name(errno);
        std::array<int, 2> pair{};
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) != 0) return error_name(errno);
        ::usleep(50'000);
        turn.wait_for_govern();
        return "done";
    });
    turn.wait_for_agent();
    EXPECT_EQ(told(redirect->govern(place.governed())), "done");
    turn.tell_governed();
    EXPECT_EQ(agent.finish(), "done");
    ::unlink(path.c_str());
    const auto all = redirect->take_earlier_sockets();
    ASSERT_EQ(all.sockets.size(), 1U);
    EXPECT_EQ(all.sockets[0].protocol, "unix");
    EXPECT_EQ(all.sockets[0].remote.to_text(), "unix:" + path);
    EXPECT_FALSE(all.sockets[0].is_ended);
}

}  // namespace
}  // namespace assent::kernel_tests

// With a real network interface: nothing of an agent arrives at another host, whatever it sets on its sockets.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/playground.h"

namespace assent::kernel_tests {
namespace {

constexpr const char* near = "10.231.7.1";
constexpr const char* far = "10.231.7.2";

void shell(const std::string& command) { ASSERT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command; }

// Another host: a network namespace at the end of a pair of interfaces. It ends with its process, and so does the pair.
class Leaving : public ::testing::Test {
protected:
    void SetUp() override {
        redirect = place.open();
        place.listen();
        ASSERT_TRUE(redirect->govern(place.governed()).has_value());
        host = ::fork();
        ASSERT_GE(host, 0);
        if (host == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::unshare(CLONE_NEWNET) != 0) ::_exit(1);
            while (true) ::pause();
        }
        ::usleep(200'000);
        shell(fmt::format("ip link add near0 type veth peer name far0 netns {}", host));
        shell(fmt::format("ip addr add {}/30 dev near0 && ip link set near0 up", near));
        shell(fmt::format("nsenter -t {} -n sh -c 'ip addr add {}/30 dev far0 && ip link set far0 up && ip link set lo up'",
                          host, far));
        // What comes in at this end of the wire from ours: seen before any filter of the other host.
        sniffer = Fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
        const sockaddr_ll at{.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = static_cast<int>(::if_nametoindex("near0")),
                             .sll_hatype = 0,
                             .sll_pkttype = 0,
                             .sll_halen = 0,
                             .sll_addr = {}};
        ASSERT_EQ(::bind(sniffer.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
    }
    void TearDown() override {
        shell("ip link del near0");
        if (host <= 0) return;
        ::kill(host, SIGKILL);
        ::waitpid(host, nullptr, 0);
    }
    // Counts IPv4 packets of TCP, UDP and ICMP that went out on the wire since the last call.
    [[nodiscard]] int sent() const {
        ::usleep(100'000);
        int count = 0;
        std::array<unsigned char, 2048> packet{};
        sockaddr_ll from{};
        socklen_t size = sizeof(from);
        while (::recvfrom(sniffer.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &size) > 0) {
            if (from.sll_pkttype == PACKET_OUTGOING && ntohs(from.sll_protocol) == ETH_P_IP) ++count;
            size = sizeof(from);
        }
        return count;
    }

    Playground place;
    std::unique_ptr<kernel::Redirect> redirect;
    pid_t host = -1;
    Fd sniffer;
};

std::string try_far(int type, const std::function<void(int)>& prepare) {
    const Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC | (type == SOCK_STREAM ? SOCK_NONBLOCK : 0), 0));
    if (!socket.is_open()) return error_name(errno);
    prepare(socket.get());
    socklen_t size = 0;
    const auto address = address_of(far, 4433, size);
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    if (type == SOCK_STREAM) return error_name(::connect(socket.get(), to, size) == 0 ? 0 : errno);
    if (::connect(socket.get(), to, size) != 0) return "connect " + error_name(errno);
    return ::send(socket.get(), "x", 1, 0) == 1 ? "sent" : error_name(errno);
}

void bind_to_near(int socket) { EXPECT_EQ(::setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, "near0", 5), 0); }

TEST_F(Leaving, others_get_there) {
    EXPECT_EQ(try_far(SOCK_DGRAM, [](int) {}), "sent");
    EXPECT_GT(sent(), 0);
}

TEST_F(Leaving, no_agent_does) {
    const auto none = [](int) {};
    EXPECT_EQ(inside(place.governed(), [&] { return try_far(SOCK_DGRAM, none); }), "EPERM");
    EXPECT_EQ(inside(place.governed(), [&] { return try_far(SOCK_STREAM, none); }), "EINPROGRESS");
    EXPECT_EQ(sent(), 0);
}

TEST_F(Leaving, no_agent_that_binds_to_the_interface_does) {
    EXPECT_EQ(inside(place.governed(), [] { return try_far(SOCK_DGRAM, bind_to_near); }), "EPERM");
    // The rewritten packet would leave by that interface with the address 127.0.0.1.
    static_cast<void>(inside(place.governed(), [] { return try_far(SOCK_STREAM, bind_to_near); }));
    static_cast<void>(inside(place.governed(), [] {
        return try_far(SOCK_STREAM, [](int socket) {
            const int index = static_cast<int>(htonl(::if_nametoindex("near0")));
            ::setsockopt(socket, IPPROTO_IP, IP_UNICAST_IF, &index, sizeof(index));
        });
    }));
    EXPECT_EQ(sent(), 0);
}

TEST_F(Leaving, no_agent_that_says_how_to_route_does) {
    // Loose source routing by way of the far host.
    static_cast<void>(inside(place.governed(), [] {
        return try_far(SOCK_STREAM, [](int socket) {
            std::array<unsigned char, 8> route{IPOPT_NOP, IPOPT_LSRR, 7, 4, 10, 231, 7, 2};
            ::setsockopt(socket, IPPROTO_IP, IP_OPTIONS, route.data(), route.size());
        });
    }));
    static_cast<void>(inside(place.governed(), [] {
        const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        socklen_t size = 0;
        auto address = address_of("127.0.0.77", 53, size);
        iovec piece{const_cast<char*>("x"), 1};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> control{};
        msghdr message{};
        message.msg_name = &address;
        message.msg_namelen = size;
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        auto* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
        in_pktinfo info{};
        info.ipi_ifindex = static_cast<int>(::if_nametoindex("near0"));
        std::memcpy(CMSG_DATA(header), &info, sizeof(info));
        return std::to_string(::sendmsg(socket.get(), &message, 0));
    }));
    EXPECT_EQ(sent(), 0);
}

TEST_F(Leaving, no_agent_in_the_other_hosts_namespace_does) {
    // Joined from inside: its sockets stay governed, and nobody listens there.
    EXPECT_EQ(inside(place.governed(),
                     [this] {
                         const Fd other(::open(fmt::format("/proc/{}/ns/net", host).c_str(), O_RDONLY | O_CLOEXEC));
                         if (::setns(other.get(), CLONE_NEWNET) != 0) return error_name(errno);
                         Fd socket;
                         return connect_to(near, 4433, socket);
                     }),
              "ECONNREFUSED");
    EXPECT_EQ(sent(), 0);
}

}  // namespace
}  // namespace assent::kernel_tests

// Sockets that cgroups have no hook for, and sockets that were made outside: closed with BPF LSM, and open without it.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "lsm/held.h"

namespace assent::lsm_tests {
namespace {

std::string make_socket(int family, int type, int protocol) {
    const Fd socket(::socket(family, type | SOCK_CLOEXEC, protocol));
    return socket.is_open() ? "open" : error_name(errno);
}

TEST_F(Held, families_besides_inet_are_refused) {
    struct Family {
        const char* name;
        int family;
        int type;
        int protocol;
    };
    constexpr int all_packets = 0x300;
    for (const auto& each :
         {Family{"packet", AF_PACKET, SOCK_RAW, all_packets}, Family{"vsock", AF_VSOCK, SOCK_STREAM, 0},
          Family{"xdp", AF_XDP, SOCK_RAW, 0}, Family{"key", AF_KEY, SOCK_RAW, 2}, Family{"alg", AF_ALG, SOCK_SEQPACKET, 0},
          Family{"smc", AF_SMC, SOCK_STREAM, 0}, Family{"rds", AF_RDS, SOCK_SEQPACKET, 0},
          Family{"generic netlink", AF_NETLINK, SOCK_RAW, 16}}) {
        const auto attempt = [&] { return make_socket(each.family, each.type, each.protocol); };
        EXPECT_EQ(governed(attempt), is_held() ? "EAFNOSUPPORT" : "open") << each.name;
        EXPECT_EQ(inside({}, attempt), "open") << each.name << " of a process that is not governed";
    }
    if (is_held()) {
        EXPECT_TRUE(was_told(Kind::refused_socket));
    }
}

TEST_F(Held, what_programs_need_stays_open) {
    EXPECT_EQ(governed([] { return make_socket(AF_UNIX, SOCK_STREAM, 0); }), "open");
    EXPECT_EQ(governed([] { return make_socket(AF_INET, SOCK_STREAM, 0); }), "open");
    EXPECT_EQ(governed([] { return make_socket(AF_INET6, SOCK_DGRAM, 0); }), "open");
    EXPECT_EQ(governed([] { return make_socket(AF_NETLINK, SOCK_RAW, 0); }), "open");
    EXPECT_EQ(governed([&] {
                  Fd socket;
                  const auto connected = connect_to("127.0.0.1", outside.port, socket);
                  char byte = 0;
                  const auto sent = ::send(socket.get(), "x", 1, 0);
                  const auto received = ::recv(socket.get(), &byte, 1, MSG_DONTWAIT);
                  return fmt::format("{} {} {}", connected, sent, received < 0 ? error_name(errno) : "received");
              }),
              "connected 1 EAGAIN");
}

TEST_F(Held, a_socket_made_before_joining_sends_nothing) {
    const auto attempt = [&](bool is_splice) {
        return [&, is_splice]() -> std::string {
            const Fd socket = outside.connected();
            std::array<int, 2> ends{};
            if (::pipe(ends.data()) != 0) return "pipe";
            enter(place.governed());
            const bool is_sent =
                is_splice ? ::write(ends[1], "s", 1) == 1 && ::splice(ends[0], nullptr, socket.get(), nullptr, 1, 0) == 1
                          : ::send(socket.get(), "s", 1, 0) == 1;
            return is_sent ? "sent" : error_name(errno);
        };
    };
    EXPECT_EQ(inside({}, attempt(false)), is_held() ? "EPERM" : "sent");
    EXPECT_EQ(outside.has_received(), !is_held());
    EXPECT_EQ(inside({}, attempt(true)), is_held() ? "EPERM" : "sent");
    EXPECT_EQ(outside.has_received(), !is_held());
    if (is_held()) {
        EXPECT_TRUE(was_told(Kind::refused_foreign_socket));
    }
}

TEST_F(Held, a_socket_made_before_joining_neither_connects_nor_receives) {
    EXPECT_EQ(inside({},
                     [&] {
                         Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                         enter(place.governed());
                         return connect_to("127.0.0.1", outside.port, socket);
                     }),
              is_held() ? "EPERM" : "connected");
    EXPECT_EQ(inside({},
                     [&]() -> std::string {
                         const Fd socket = outside.connected();
                         outside.answer(socket.get());
                         enter(place.governed());
                         char byte = 0;
                         return ::recv(socket.get(), &byte, 1, 0) == 1 ? "received" : error_name(errno);
                     }),
              is_held() ? "EPERM" : "received");
}

// Sends a descriptor over a unix socket; for the process outside.
void hand_over(int channel, int descriptor) {
    char byte = 'd';
    iovec data{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
    EXPECT_EQ(::sendmsg(channel, &message, 0), 1);
}

Fd take_over(int channel) {
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(channel, &message, 0) != 1) return {};
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_len < CMSG_LEN(sizeof(int))) return {};
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof(descriptor));
    return Fd(descriptor);
}

TEST_F(Held, a_socket_handed_in_does_not_arrive) {
    std::array<int, 2> channel{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, channel.data()), 0);
    const Fd socket = outside.connected();
    hand_over(channel[0], socket.get());
    EXPECT_EQ(governed([&]() -> std::string {
                  const Fd given = take_over(channel[1]);
                  if (!given.is_open()) return "nothing";
                  return ::send(given.get(), "s", 1, 0) == 1 ? "sent" : error_name(errno);
              }),
              is_held() ? "nothing" : "sent");
    EXPECT_EQ(outside.has_received(), !is_held());
    // A file is no matter.
    hand_over(channel[0], Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get());
    EXPECT_EQ(governed([&] { return std::string(take_over(channel[1]).is_open() ? "a file" : "nothing"); }), "a file");
    ::close(channel[0]);
    ::close(channel[1]);
}

TEST_F(Held, a_socket_of_another_process_cannot_be_fetched) {
    const Fd socket = outside.connected();
    const auto owner = ::getpid();
    EXPECT_EQ(governed([&]() -> std::string {
                  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, owner, 0)));
                  const Fd fetched(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), socket.get(), 0)));
                  if (!fetched.is_open()) return error_name(errno);
                  return ::send(fetched.get(), "s", 1, 0) == 1 ? "sent" : error_name(errno);
              }),
              is_held() ? "EPERM" : "sent");
    EXPECT_EQ(outside.has_received(), !is_held());
}

TEST_F(Held, nobody_listens) {
    EXPECT_EQ(governed([]() -> std::string {
                  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
                  return ::listen(socket.get(), 1) == 0 ? "listens" : error_name(errno);
              }),
              is_held() ? "EPERM" : "listens");
    EXPECT_EQ(inside({},
                     []() -> std::string {
                         const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
                         return ::listen(socket.get(), 1) == 0 ? "listens" : error_name(errno);
                     }),
              "listens");
}

// A unix socket that somebody outside listens on.
Fd listening_unix(const std::string& name, bool is_abstract, sockaddr_un& address, socklen_t& size) {
    address = {};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path + (is_abstract ? 1 : 0), sizeof(address.sun_path) - 1);
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1);
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size), 0) << error_name(errno);
    EXPECT_EQ(::listen(socket.get(), 8), 0);
    return socket;
}

TEST_F(Held, unix_sockets_are_open_until_they_are_closed_and_then_to_those_named) {
    const auto path = fmt::format("/tmp/held-{}", ::getpid());
    for (const bool is_abstract : {false, true}) {
        sockaddr_un address{};
        socklen_t size = 0;
        const Fd listener = listening_unix(path, is_abstract, address, size);
        const auto attempt = [&]() -> std::string {
            const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const auto* to = reinterpret_cast<const sockaddr*>(&address);
            return ::connect(socket.get(), to, size) == 0 ? "connected" : error_name(errno);
        };
        const kernel::UnixRule passed{(is_abstract ? "@" : "") + path, kernel::UnixRule::Action::pass, {}};
        EXPECT_EQ(governed(attempt), "connected");
        ASSERT_TRUE(redirect->set_unix_rules({}, false));
        EXPECT_EQ(governed(attempt), is_held() ? "EPERM" : "connected");
        EXPECT_EQ(inside({}, attempt), "connected");
        ASSERT_TRUE(redirect->set_unix_rules({passed}, false));
        EXPECT_EQ(governed(attempt), "connected");
        ASSERT_TRUE(redirect->set_unix_rules({}, false));
        EXPECT_EQ(governed(attempt), is_held() ? "EPERM" : "connected");
        ASSERT_TRUE(redirect->set_unix_rules({}, true));
        EXPECT_EQ(governed(attempt), "connected");
        ::unlink(path.c_str());
    }
}

TEST_F(Held, a_unix_socket_that_is_made_anew_is_passed_again) {
    const auto path = fmt::format("/tmp/held-anew-{}", ::getpid());
    ASSERT_TRUE(redirect->set_unix_rules({{path, kernel::UnixRule::Action::pass, {}}}, false));
    sockaddr_un address{};
    socklen_t size = 0;
    const Fd listener = listening_unix(path, false, address, size);
    ASSERT_TRUE(redirect->check());
    EXPECT_EQ(governed([&]() -> std::string {
                  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
                  const auto* to = reinterpret_cast<const sockaddr*>(&address);
                  return ::connect(socket.get(), to, size) == 0 ? "connected" : error_name(errno);
              }),
              "connected");
    ASSERT_TRUE(redirect->set_unix_rules({}, true));
    ::unlink(path.c_str());
}

}  // namespace
}  // namespace assent::lsm_tests

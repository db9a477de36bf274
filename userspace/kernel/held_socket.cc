#include "kernel/held_socket.h"

#include <fcntl.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace assent::kernel {
namespace {

constexpr int ip_policy_option = 17;      // IP_XFRM_POLICY, which the C library's headers lack
constexpr int ipv6_policy_option = 35;    // IPV6_XFRM_POLICY
constexpr unsigned thread_flag = O_EXCL;  // PIDFD_THREAD

int integer_option(int socket, int option) {
    int value = 0;
    socklen_t size = sizeof(value);
    return ::getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? value : 0;
}

template <typename Name>
model::Endpoint named(int socket, Name name) {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    if (name(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    return model::Endpoint::from(storage).value_or(model::Endpoint{});
}

bool set_block(int socket, int family, std::uint8_t direction) {
    xfrm_userpolicy_info policy{};
    policy.sel.family = static_cast<__u16>(family);
    policy.lft.soft_byte_limit = policy.lft.hard_byte_limit = XFRM_INF;
    policy.lft.soft_packet_limit = policy.lft.hard_packet_limit = XFRM_INF;
    policy.dir = direction;
    policy.action = XFRM_POLICY_BLOCK;
    const bool is_v6 = family == AF_INET6;
    return ::setsockopt(socket, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? ipv6_policy_option : ip_policy_option, &policy,
                        sizeof(policy)) == 0;
}

}  // namespace

Result<TakenSocket> TakenSocket::take(const HeldSocket& held) {
    const auto gone = [&] { return fail(Errc::not_found, fmt::format("process {} has closed it", held.process)); };
    // A thread with descriptors of its own can be reached since Linux 6.9; before, what its process has at that number is
    // looked at, and is another socket.
    const bool is_leader = held.thread == held.process;
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, held.thread, is_leader ? 0 : thread_flag)));
    if (!process.is_open() && !is_leader) process = Fd(static_cast<int>(::syscall(SYS_pidfd_open, held.process, 0)));
    if (!process.is_open()) return gone();
    TakenSocket out;
    out.descriptor_ = Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), held.descriptor, 0)));
    if (!out.descriptor_.is_open()) {
        if (errno == EBADF || errno == ESRCH) return gone();
        return fail_errno(fmt::format("descriptor {} of process {}", held.descriptor, held.process), errno);
    }
    struct stat status {};
    if (::fstat(out.descriptor_.get(), &status) != 0 || !S_ISSOCK(status.st_mode) || status.st_ino != held.inode)
        return gone();
    out.family_ = integer_option(out.descriptor_.get(), SO_DOMAIN);
    out.type_ = integer_option(out.descriptor_.get(), SO_TYPE);
    out.protocol_ = integer_option(out.descriptor_.get(), SO_PROTOCOL);
    return out;
}

bool TakenSocket::is_listening() const { return integer_option(descriptor_.get(), SO_ACCEPTCONN) != 0; }
model::Endpoint TakenSocket::local() const { return named(descriptor_.get(), ::getsockname); }
model::Endpoint TakenSocket::remote() const { return named(descriptor_.get(), ::getpeername); }

Result<> TakenSocket::disconnect() const {
    const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
    const bool is_network = family_ == AF_INET || family_ == AF_INET6;
    if (is_network && ::connect(descriptor_.get(), &nowhere, sizeof(nowhere)) == 0) return {};
    // A listening socket, and one of a family that has no such connect().
    if (::shutdown(descriptor_.get(), SHUT_RDWR) == 0) return {};
    return fail_errno("ending a connection", errno);
}

Result<> TakenSocket::block() const {
    const bool is_done =
        set_block(descriptor_.get(), family_, XFRM_POLICY_OUT) && set_block(descriptor_.get(), family_, XFRM_POLICY_IN);
    const int error = errno;
    static constexpr char loopback[] = "lo";
    if (family_ == AF_INET6) ::setsockopt(descriptor_.get(), SOL_SOCKET, SO_BINDTODEVICE, loopback, sizeof(loopback));
    if (is_done) return {};
    return fail(Errc::unsupported, fmt::format("this kernel cannot block a socket: {}", std::strerror(error)));
}

}  // namespace assent::kernel

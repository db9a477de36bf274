#include "kernel/socket_diag.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include <fmt/format.h>

namespace assent::kernel {
namespace {

constexpr std::size_t buffer_size = 64 * 1024;
constexpr std::uint32_t all_states = ~((1U << TCP_TIME_WAIT) | (1U << TCP_CLOSE));

model::Endpoint endpoint(int family, const __be32* words, __be16 port) {
    sockaddr_storage storage{};
    if (family == AF_INET6) {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = port;
        std::memcpy(&v6->sin6_addr, words, sizeof(v6->sin6_addr));
    } else {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
        v4->sin_family = AF_INET;
        v4->sin_port = port;
        std::memcpy(&v4->sin_addr, words, sizeof(v4->sin_addr));
    }
    return model::Endpoint::from(storage).value_or(model::Endpoint{});
}

// Calls each(type, data, size) for the attributes behind a message's fixed part.
template <typename Each>
void for_attributes(const void* data, std::size_t size, std::size_t fixed, const Each& each) {
    const auto* at = static_cast<const char*>(data) + NLMSG_ALIGN(fixed);
    auto left = static_cast<int>(size) - static_cast<int>(NLMSG_ALIGN(fixed));
    for (const auto* attribute = reinterpret_cast<const rtattr*>(at); RTA_OK(attribute, left);
         attribute = RTA_NEXT(attribute, left))
        each(attribute->rta_type, RTA_DATA(attribute), static_cast<std::size_t>(RTA_PAYLOAD(attribute)));
}

ListedSocket read_inet(const void* data, std::size_t size, int protocol) {
    inet_diag_msg message{};
    std::memcpy(&message, data, sizeof(message));
    ListedSocket out;
    out.family = message.idiag_family;
    out.protocol = protocol;
    out.state = message.idiag_state;
    out.inode = message.idiag_inode;
    out.local = endpoint(out.family, message.id.idiag_src, message.id.idiag_sport);
    out.remote = endpoint(out.family, message.id.idiag_dst, message.id.idiag_dport);
    out.id = message.id;
    for_attributes(data, size, sizeof(message), [&](int type, const void* value, std::size_t length) {
        if (type == INET_DIAG_CGROUP_ID && length >= sizeof(out.cgroup_id))
            std::memcpy(&out.cgroup_id, value, sizeof(out.cgroup_id));
    });
    return out;
}

ListedSocket read_unix(const void* data, std::size_t size) {
    unix_diag_msg message{};
    std::memcpy(&message, data, sizeof(message));
    ListedSocket out;
    out.family = AF_UNIX;
    out.state = message.udiag_state;
    out.inode = message.udiag_ino;
    for_attributes(data, size, sizeof(message), [&](int type, const void* value, std::size_t length) {
        if (type == UNIX_DIAG_NAME && length > 0) {
            std::string name(static_cast<const char*>(value), length);
            if (name.front() == '\0')
                name.front() = '@';
            else
                name.erase(std::min(name.find('\0'), name.size()));
            out.local.unix_name = std::move(name);
        }
        if (type == UNIX_DIAG_PEER && length >= sizeof(std::uint32_t)) {
            std::uint32_t inode = 0;
            std::memcpy(&inode, value, sizeof(inode));
            out.peer_inode = inode;
        }
    });
    return out;
}

std::unexpected<Error> refused(const std::string& what, int error) {
    if (error == ENOENT) return fail(Errc::not_found, fmt::format("{}: there is no such socket, or no list of them", what));
    if (error == EOPNOTSUPP || error == EINVAL || error == EPROTONOSUPPORT)
        return fail(Errc::unsupported, fmt::format("{}: this kernel cannot: {}", what, std::strerror(error)));
    return fail_errno(what, error);
}

}  // namespace

Result<SocketDiag> SocketDiag::open(const std::filesystem::path& network_namespace) {
    const Fd place(::open(network_namespace.c_str(), O_RDONLY | O_CLOEXEC));
    if (!place.is_open()) return fail_errno(network_namespace.string(), errno);
    SocketDiag out;
    int error = 0;
    // A socket stays in the namespace that it was made in; the thread ends there.
    std::thread inside([&] {
        if (::setns(place.get(), CLONE_NEWNET) == 0)
            out.netlink_ = Fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
        if (!out.netlink_.is_open()) error = errno;
    });
    inside.join();
    if (!out.netlink_.is_open())
        return fail_errno(fmt::format("looking for sockets in {}", network_namespace.string()), error);
    const timeval patience{5, 0};
    ::setsockopt(out.netlink_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return out;
}

Result<> SocketDiag::send(const void* message, std::size_t size) const {
    if (::send(netlink_.get(), message, size, 0) != static_cast<ssize_t>(size))
        return fail_errno("asking for sockets", errno);
    return {};
}

Result<> SocketDiag::receive(const std::function<void(const void* data, std::size_t size)>& each) const {
    std::vector<char> buffer(buffer_size);
    while (true) {
        const auto size = ::recv(netlink_.get(), buffer.data(), buffer.size(), 0);
        if (size < 0) return fail_errno("reading the list of sockets", errno);
        auto left = static_cast<std::uint32_t>(size);
        for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
             header = NLMSG_NEXT(header, left)) {
            if (header->nlmsg_type == NLMSG_DONE) return {};
            if (header->nlmsg_type == NLMSG_ERROR) {
                const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
                return error == 0 ? Result<>{} : refused("sock_diag", error);
            }
            each(NLMSG_DATA(header), NLMSG_PAYLOAD(header, 0));
        }
    }
}

Result<> SocketDiag::list(int family, int protocol, const std::function<void(const ListedSocket&)>& each) const {
    struct {
        nlmsghdr header;
        union {
            inet_diag_req_v2 inet;
            unix_diag_req names;
        };
    } request{};
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    if (family == AF_UNIX) {
        request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.names));
        request.names.sdiag_family = AF_UNIX;
        request.names.udiag_states = ~0U;
        request.names.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER;
    } else {
        request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.inet));
        request.inet.sdiag_family = static_cast<__u8>(family);
        request.inet.sdiag_protocol = static_cast<__u8>(protocol);
        request.inet.idiag_states = protocol == IPPROTO_TCP ? all_states : ~0U;
    }
    if (auto sent = send(&request, request.header.nlmsg_len); !sent) return sent;
    auto done = receive([&](const void* data, std::size_t size) {
        if (family == AF_UNIX && size >= sizeof(unix_diag_msg)) each(read_unix(data, size));
        if (family != AF_UNIX && size >= sizeof(inet_diag_msg)) each(read_inet(data, size, protocol));
    });
    if (!done && done.error().code == Errc::not_found)
        return fail(Errc::unsupported, fmt::format("this kernel does not list sockets of protocol {}", protocol));
    return done;
}

Result<> SocketDiag::destroy(const ListedSocket& socket) const {
    struct {
        nlmsghdr header;
        inet_diag_req_v2 inet;
    } request{};
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = SOCK_DESTROY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.inet.sdiag_family = static_cast<__u8>(socket.family);
    request.inet.sdiag_protocol = static_cast<__u8>(socket.protocol);
    request.inet.idiag_states = ~0U;
    request.inet.id = socket.id;
    if (auto sent = send(&request, sizeof(request)); !sent) return sent;
    return receive([](const void*, std::size_t) {});
}

}  // namespace assent::kernel

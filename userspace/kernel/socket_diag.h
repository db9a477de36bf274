// The kernel's own list of network and unix sockets (sock_diag), of one network namespace at a time. Private to kernel/.
// Thread: one at a time.
#pragma once

#include <linux/inet_diag.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "model/address.h"

namespace assent::kernel {

struct ListedSocket {
    int family = 0;
    int protocol = 0;              // IPPROTO_TCP, IPPROTO_UDP, IPPROTO_RAW; 0 of a unix socket
    std::uint8_t state = 0;        // as of TCP (TCP_LISTEN, …), also for the others
    std::uint64_t inode = 0;       // 0: no process holds it any more
    std::uint64_t cgroup_id = 0;   // where it was made; 0: not told (unix sockets)
    std::uint64_t peer_inode = 0;  // of a unix socket
    model::Endpoint local;
    model::Endpoint remote;
    inet_diag_sockid id{};  // by which it is destroyed
};

class SocketDiag {
public:
    // Of the network namespace of this file (/proc/PID/ns/net). Errors: the namespace cannot be entered.
    [[nodiscard]] static Result<SocketDiag> open(const std::filesystem::path& network_namespace);

    // All sockets of a protocol but those that only wait for their port to be free again. Errc::unsupported: this kernel
    // does not list them.
    [[nodiscard]] Result<> list(int family, int protocol, const std::function<void(const ListedSocket&)>& each) const;
    // Errc::unsupported: this kernel cannot (CONFIG_INET_DIAG_DESTROY, or the protocol). Errc::not_found: it has gone.
    [[nodiscard]] Result<> destroy(const ListedSocket& socket) const;

private:
    [[nodiscard]] Result<> send(const void* message, std::size_t size) const;
    [[nodiscard]] Result<> receive(const std::function<void(const void* data, std::size_t size)>& each) const;
    Fd netlink_;
};

}  // namespace assent::kernel

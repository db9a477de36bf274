#include "kernel/network_namespace.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <string_view>
#include <system_error>
#include <thread>

#include <fmt/format.h>

namespace assent::kernel {

std::uint64_t network_inode_of(pid_t thread) {
    struct stat status {};
    if (::stat(fmt::format("/proc/{}/ns/net", thread).c_str(), &status) != 0) return 0;
    return static_cast<std::uint64_t>(status.st_ino);
}

Result<Fd> open_network_of(pid_t thread) {
    Fd file(::open(fmt::format("/proc/{}/ns/net", thread).c_str(), O_RDONLY | O_CLOEXEC));
    if (file.is_open()) return file;
    if (errno == ENOENT || errno == ESRCH) return fail(Errc::not_found, fmt::format("thread {} has ended", thread));
    return fail_errno(fmt::format("the network namespace of thread {}", thread), errno);
}

Result<std::uint64_t> own_network_cookie() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return fail_errno("socket", errno);
    return network_cookie_of(socket.get());
}

Result<std::uint64_t> network_cookie_of(int socket) {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    if (::getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
        return fail_errno("the network namespace's cookie (Linux 5.15 or later is needed)", errno);
    return cookie;
}

Result<> inside_network(const Fd& network, const std::function<Result<>()>& work) {
    Result<> result;
    const auto enter = [&] {
        result = ::setns(network.get(), CLONE_NEWNET) == 0 ? work() : fail_errno("entering a network namespace", errno);
    };
    try {
        std::thread(enter).join();
    } catch (const std::system_error& error) {
        return fail_errno("a thread for a network namespace", error.code().value());
    }
    return result;
}

bool is_loopback_up() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::string_view("lo").copy(request.ifr_name, IFNAMSIZ - 1);
    return ::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
}

}  // namespace assent::kernel

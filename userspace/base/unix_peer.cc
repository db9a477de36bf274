#include "base/unix_peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <fstream>
#include <string>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace assent {
namespace {

Result<Fd> process_of(int descriptor, pid_t pid) {
    int process = -1;
    socklen_t size = sizeof process;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERPIDFD, &process, &size) == 0) return Fd(process);
    if (errno != ENOPROTOOPT && errno != EINVAL) return fail(Errc::denied, "its process has ended");
    Fd opened(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!opened.is_open()) return fail(Errc::denied, "its process has ended");
    return opened;
}

}  // namespace

Result<UnixPeer> UnixPeer::of(int descriptor) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return fail_errno("SO_PEERCRED", errno);
    if (credentials.pid <= 0) return fail(Errc::denied, "it is of another pid namespace");
    auto process = process_of(descriptor, credentials.pid);
    if (!process) return std::unexpected(std::move(process.error()));
    UnixPeer out;
    out.pid = credentials.pid;
    out.uid = credentials.uid;
    out.gid = credentials.gid;
    out.process = std::move(*process);
    return out;
}

bool UnixPeer::has_ended() const noexcept {
    pollfd waiting{process.get(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) != 0;
}

std::optional<std::uint32_t> login_uid_of(pid_t pid) {
    constexpr auto unset = static_cast<std::uint32_t>(-1);
    std::ifstream in("/proc/" + std::to_string(pid) + "/loginuid");
    std::uint32_t login = unset;
    if (in >> login && login != unset) return login;
    return std::nullopt;
}

}  // namespace assent

#include "kernel/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "kernel/in_place_of.h"
#include "model/address.h"

namespace assent::kernel {

Result<UnixCaller> unix_caller_of(int accepted) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return fail_errno("SO_PEERCRED", errno);
    UnixCaller out;
    out.uid = credentials.uid;
    out.gid = credentials.gid;
    out.groups.resize(64 * 1024);  // NGROUPS_MAX
    size = static_cast<socklen_t>(out.groups.size() * sizeof(gid_t));
    if (::getsockopt(accepted, SOL_SOCKET, SO_PEERGROUPS, out.groups.data(), &size) != 0)
        return fail_errno("SO_PEERGROUPS", errno);
    out.groups.resize(size / sizeof(gid_t));
    out.groups.shrink_to_fit();
    return out;
}

Result<Fd> connect_as(const UnixCaller& caller, const std::string& name) {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.is_open()) return fail_errno("socket", errno);
    sockaddr_storage address{};
    const socklen_t size = model::Endpoint{{}, 0, name}.to(address);
    const std::string what = "connecting to " + name;
    int error = EPERM;
    {
        const InPlaceOf place(caller);
        if (!place.is_taken()) return fail(Errc::internal, what + ": the agent's user could not be taken");
        error = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 ? 0 : errno;
    }
    if (error == EAGAIN) return fail(Errc::unavailable, what + ": it has too many connections waiting");
    if (error != 0) return fail_errno(what, error);
    if (::fcntl(socket.get(), F_SETFL, 0) != 0) return fail_errno(what, errno);
    return socket;
}

Result<Fd> listen_at(const std::filesystem::path& path) {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return fail_errno("socket", errno);
    sockaddr_storage address{};
    const socklen_t size = model::Endpoint{{}, 0, path.string()}.to(address);
    ::unlink(path.c_str());
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return fail_errno("binding " + path.string(), errno);
    constexpr mode_t everybody = 0666;
    if (::chmod(path.c_str(), everybody) != 0) return fail_errno("opening " + path.string() + " to agents", errno);
    if (::listen(socket.get(), SOMAXCONN) != 0) return fail_errno("listening at " + path.string(), errno);
    return socket;
}

}  // namespace assent::kernel

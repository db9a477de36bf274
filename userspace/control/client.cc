#include "control/client.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/fd.h"
#include "control/line_reader.h"
#include "control/protocol.h"
#include "control/unix_socket.h"

namespace assent::control {
namespace {

constexpr std::chrono::milliseconds for_ever(-1);

Result<Fd> connect_to(const std::filesystem::path& socket) {
    auto address = unix_address(socket);
    if (!address) return std::unexpected(std::move(address.error()));
    Fd made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!made.is_open()) return fail_errno("socket", errno);
    const auto* raw = reinterpret_cast<const sockaddr*>(&*address);
    int status = ::connect(made.get(), raw, sizeof *address);
    while (status != 0 && errno == EINTR) status = ::connect(made.get(), raw, sizeof *address);
    if (status == 0) return made;
    if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
        return fail(Errc::unavailable, "no assentd listens at " + socket.string() +
                                           "; start it with `systemctl start assentd`, or name its settings with --config");
    }
    if (errno == EACCES || errno == EPERM) return fail(Errc::denied, "you may not connect to " + socket.string());
    return fail_errno("connect to " + socket.string(), errno);
}

}  // namespace

Result<nlohmann::json> ask(const std::filesystem::path& socket, const nlohmann::json& request,
                           const std::function<bool(const nlohmann::json&)>& each) {
    auto connection = connect_to(socket);
    if (!connection) return std::unexpected(std::move(connection.error()));
    // A daemon that turns the client away may have closed before it read; its reason is there to be read all the same.
    static_cast<void>(send_all(connection->get(), line_of(request), for_ever).has_value());
    LineReader lines(connection->get());
    while (true) {
        auto line = lines.next(for_ever, for_ever);
        if (!line) {
            if (line.error().code == Errc::limit) return std::unexpected(std::move(line.error()));
            return fail(Errc::unavailable, "assentd ended the connection before it answered");
        }
        auto message = parse_line(*line);
        if (!message) return std::unexpected(std::move(message.error()));
        if (!message->is_object() || !message->contains("next")) return result_of(std::move(*message));
        if (each && !each((*message)["next"])) return nlohmann::json();
    }
}

}  // namespace assent::control

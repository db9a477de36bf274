#include "control/client.h"

#include <poll.h>
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

Result<Stream> Stream::open(const std::filesystem::path& socket, const nlohmann::json& request) {
    auto connection = connect_to(socket);
    if (!connection) return std::unexpected(std::move(connection.error()));
    static_cast<void>(send_all(connection->get(), line_of(request), for_ever).has_value());
    return Stream(std::move(*connection));
}

Result<std::optional<nlohmann::json>> Stream::next(std::chrono::milliseconds wait) {
    if (!lines_.has_line()) {
        pollfd waiting{socket_.get(), POLLIN, 0};
        const int ready = ::poll(&waiting, 1, static_cast<int>(wait.count()));
        if (ready < 0 && errno != EINTR) return fail_errno("poll", errno);
        if (ready <= 0) return std::nullopt;
    }
    auto line = lines_.next(for_ever, for_ever);
    if (!line) return fail(Errc::unavailable, "assentd ended the connection");
    auto message = parse_line(*line);
    if (!message) return std::unexpected(std::move(message.error()));
    if (message->is_object() && message->contains("next")) return std::move((*message)["next"]);
    auto last = result_of(std::move(*message));
    if (!last) return std::unexpected(std::move(last.error()));
    return fail(Errc::not_found, "assentd has nothing more to say");
}

}  // namespace assent::control

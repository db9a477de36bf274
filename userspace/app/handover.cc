#include "app/handover.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/limits.h"
#include "kernel/cgroup.h"
#include "kernel/redirect.h"

namespace assent::app {
namespace {

constexpr const char* variable_name = "ASSENT_HANDOVER";

Result<int> option_of(int socket, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(socket, SOL_SOCKET, option, &value, &size) != 0) return fail_errno("an inherited descriptor", errno);
    return value;
}

std::uint64_t netns_cookie_of(int socket) {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return ::getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

std::uint64_t own_netns_cookie() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return socket.is_open() ? netns_cookie_of(socket.get()) : 0;
}

// Sockets keep the cgroup that they were made in.
Result<std::uint64_t> own_cgroup() {
    const auto root = kernel::cgroup_root();
    if (!root) return std::unexpected(root.error());
    const auto path = kernel::cgroup_path_of_process(::getpid());
    if (!path) return std::unexpected(path.error());
    return kernel::cgroup_id_of(kernel::cgroup_folder(*root, *path));
}

// The value of the variable: "1:PID:CGROUP:3,4,5". Without descriptors when it is meant for another process.
struct Left {
    std::uint64_t cgroup = 0;
    std::vector<Fd> descriptors;
};

template <typename Number>
std::optional<Number> take_number(std::string_view& text, char separator) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with(separator)) text.remove_prefix(1);
    return number;
}

Left read_variable(std::string_view text) {
    Left out;
    const auto start = fmt::format("{}:{}:", Handover::format, ::getpid());
    if (!text.starts_with(start)) return out;
    text.remove_prefix(start.size());
    out.cgroup = take_number<std::uint64_t>(text, ':').value_or(0);
    while (out.descriptors.size() < limits::handed_over_sockets) {
        const auto number = take_number<int>(text, ',');
        if (!number || *number <= STDERR_FILENO) break;
        out.descriptors.emplace_back(*number);
    }
    return out;
}

// Also of a unix socket.
std::optional<model::Endpoint> bound_to(int socket) {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return std::nullopt;
    if (bound.ss_family != AF_UNIX) return model::Endpoint::from(bound);
    const auto& local = reinterpret_cast<const sockaddr_un&>(bound);
    const std::string path(local.sun_path, ::strnlen(local.sun_path, sizeof local.sun_path));
    if (path.empty()) return std::nullopt;
    return model::Endpoint{{}, 0, path};
}

}  // namespace

Result<Handover::Socket> Handover::look_at(Fd descriptor) {
    Socket out;
    const int socket = descriptor.get();
    if (::fcntl(socket, F_SETFD, FD_CLOEXEC) != 0) return fail_errno("an inherited descriptor", errno);
    const auto type = option_of(socket, SO_TYPE);
    const auto listens = option_of(socket, SO_ACCEPTCONN);
    if (!type || !listens) return fail(Errc::invalid, "an inherited descriptor is not a socket");
    const auto address = bound_to(socket);
    if (!address) return fail(Errc::invalid, "an inherited socket has an address of another kind");
    const bool is_udp = *type == SOCK_DGRAM && !address->is_unix() && address->port != 0;
    const bool is_stream = *type == SOCK_STREAM && *listens != 0;
    if (!is_udp && !is_stream) return fail(Errc::invalid, "an inherited socket does not listen");
    if (!address->is_unix() && !address->address.is_loopback())
        return fail(Errc::invalid, "an inherited socket is not bound to a loopback address");
    out.transport = is_udp ? Transport::udp : Transport::tcp;
    out.address = *address;
    out.netns_cookie = address->is_unix() ? 0 : netns_cookie_of(socket);
    out.descriptor = std::move(descriptor);
    return out;
}

Handover Handover::inherited() {
    Handover out;
    const char* text = std::getenv(variable_name);
    if (text == nullptr) return out;
    const std::string value = text;
    ::unsetenv(variable_name);
    auto left = read_variable(value);
    const auto cgroup = own_cgroup();
    if (!cgroup || *cgroup != left.cgroup) {
        spdlog::warn("sockets of the program before cannot be taken over: they were made in another cgroup");
        return out;
    }
    for (auto& descriptor : left.descriptors) {
        auto socket = look_at(std::move(descriptor));
        if (socket) {
            out.inherited_.push_back(std::move(*socket));
        } else {
            spdlog::warn("{}", socket.error().message);
        }
    }
    if (out.inherited_.empty()) spdlog::warn("{}={} names no sockets of ours", variable_name, value);
    return out;
}

Fd Handover::take(Transport transport, const model::Endpoint& address, std::uint64_t netns_cookie) {
    const std::lock_guard lock(mutex_);
    if (inherited_.empty()) return {};
    if (netns_cookie == 0 && !address.is_unix()) netns_cookie = own_netns_cookie();
    const auto found = std::ranges::find_if(inherited_, [&](const Socket& each) {
        return each.transport == transport && each.address == address && each.netns_cookie == netns_cookie;
    });
    if (found == inherited_.end()) return {};
    Fd out = std::move(found->descriptor);
    inherited_.erase(found);
    return out;
}

std::vector<std::uint16_t> Handover::ports() const {
    std::vector<std::uint16_t> out;
    const auto own = own_netns_cookie();
    for (const auto& each : inherited_) {
        const bool is_ours = each.transport == Transport::tcp && !each.address.is_unix() && each.netns_cookie == own;
        if (is_ours && std::ranges::find(out, each.address.port) == out.end()) out.push_back(each.address.port);
    }
    return out;
}

Result<> Handover::keep(const Fd& socket) {
    Fd own(::fcntl(socket.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!own.is_open()) return fail_errno("a second descriptor of a listening socket", errno);
    const std::lock_guard lock(mutex_);
    if (kept_.size() >= limits::handed_over_sockets) return fail(Errc::limit, "too many listening sockets");
    kept_.push_back(std::move(own));
    return {};
}

std::size_t Handover::close_rest() {
    const std::lock_guard lock(mutex_);
    return std::exchange(inherited_, {}).size();
}

void Handover::pass_on() {
    close_rest();
    for (auto& descriptor : std::exchange(kept_, {})) {
        auto socket = look_at(std::move(descriptor));
        if (socket) inherited_.push_back(std::move(*socket));
    }
}

Result<> Handover::set_open(bool is_open) const {
    for (const auto& each : inherited_)
        if (::fcntl(each.descriptor.get(), F_SETFD, is_open ? 0 : FD_CLOEXEC) != 0)
            return fail_errno("handing over a listening socket", errno);
    return {};
}

Result<std::string> Handover::variable() const {
    const auto cgroup = own_cgroup();
    if (!cgroup) return std::unexpected(cgroup.error());
    std::string out = fmt::format("{}={}:{}:{}:", variable_name, format, ::getpid(), *cgroup);
    for (const auto& each : inherited_) out += fmt::format("{},", each.descriptor.get());
    if (out.ends_with(',')) out.pop_back();
    return out;
}

Result<Fd> take_or_bind(Handover& handover, std::uint16_t port, bool is_v6, Transport transport) {
    Fd inherited = handover.take(transport, loopback(port, is_v6));
    if (inherited.is_open()) return inherited;
    return bind_loopback(port, is_v6, transport);
}

}  // namespace assent::app

#include "resolve/exchange.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/limits.h"

namespace assent::resolve {
namespace {

constexpr std::size_t length_size = 2;

bool is_not_yet(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == EINPROGRESS; }

}  // namespace

Result<Exchange> Exchange::start(const model::Endpoint& resolver, bool is_tcp, Bytes query) {
    Exchange out;
    out.is_tcp_ = is_tcp;
    sockaddr_storage address{};
    const socklen_t size = resolver.to(address);
    const int type = (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
    out.socket_ = Fd(::socket(address.ss_family, type, 0));
    if (!out.socket_.is_open()) return fail_errno("socket", errno);
    const bool is_connected = ::connect(out.socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0;
    if (!is_connected && errno != EINPROGRESS)
        return fail_errno(fmt::format("asking resolver {}", resolver.to_text()), errno);
    if (is_tcp) {
        out.output_ = {static_cast<std::byte>(query.size() >> 8U), static_cast<std::byte>(query.size() & 0xffU)};
        append(out.output_, query);
        return out;
    }
    if (::send(out.socket_.get(), query.data(), query.size(), MSG_NOSIGNAL) < 0)
        return fail_errno(fmt::format("asking resolver {}", resolver.to_text()), errno);
    return out;
}

std::uint32_t Exchange::events() const noexcept { return output_.empty() ? EPOLLIN : EPOLLOUT; }

Result<ByteVector> Exchange::ready() {
    if (!is_tcp_) return read_datagram();
    while (!output_.empty()) {
        const auto sent = ::send(socket_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
        if (sent < 0 && is_not_yet(errno)) return ByteVector();
        if (sent < 0) return fail_errno("asking a resolver over TCP", errno);
        output_.erase(output_.begin(), output_.begin() + sent);
    }
    return read_stream();
}

Result<ByteVector> Exchange::read_datagram() {
    ByteVector message(limits::dns_datagram);
    const auto size = ::recv(socket_.get(), message.data(), message.size(), MSG_TRUNC);
    if (size < 0 && is_not_yet(errno)) return ByteVector();
    if (size < 0) return fail_errno("a resolver's answer", errno);
    if (size == 0 || static_cast<std::size_t>(size) > message.size())
        return fail(Errc::io, "the resolver sent a datagram of another size than was asked for");
    message.resize(static_cast<std::size_t>(size));
    return message;
}

Result<ByteVector> Exchange::read_stream() {
    std::array<std::byte, 16 * limits::KiB> buffer{};
    while (true) {
        std::size_t wanted = length_size;
        if (input_.size() >= length_size)
            wanted += (std::to_integer<std::size_t>(input_[0]) << 8U) | std::to_integer<std::size_t>(input_[1]);
        if (input_.size() >= length_size && input_.size() == wanted) {
            ByteVector message(input_.begin() + length_size, input_.end());
            input_.clear();
            return message;
        }
        const auto size = ::recv(socket_.get(), buffer.data(), std::min(buffer.size(), wanted - input_.size()), 0);
        if (size < 0 && is_not_yet(errno)) return ByteVector();
        if (size < 0) return fail_errno("a resolver's answer over TCP", errno);
        if (size == 0) return fail(Errc::io, "the resolver closed the connection");
        append(input_, Bytes(buffer).first(static_cast<std::size_t>(size)));
    }
}

}  // namespace assent::resolve

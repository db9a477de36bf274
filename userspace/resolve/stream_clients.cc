#include "resolve/stream_clients.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <vector>

#include "base/limits.h"

namespace assent::resolve {
namespace {

constexpr std::size_t length_size = 2;

// Of the message that the input begins with, with its two bytes of length; 0: that is not known yet.
std::size_t message_end(const ByteVector& input) {
    if (input.size() < length_size) return 0;
    return length_size + ((std::to_integer<std::size_t>(input[0]) << 8U) | std::to_integer<std::size_t>(input[1]));
}

bool has_room(std::size_t outstanding, const ByteVector& output) {
    return outstanding < limits::dns_client_outstanding && output.size() < limits::dns_client_output;
}

}  // namespace

Result<std::uint64_t> StreamClients::add(Fd socket, const std::string& agent) {
    auto& of_agent = of_agent_[agent];
    if (clients_.size() >= limits::dns_clients || of_agent >= limits::dns_clients_per_agent) {
        if (of_agent == 0) of_agent_.erase(agent);
        return fail(Errc::limit, "too many connections to resolvers are open");
    }
    const int flags = ::fcntl(socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno("O_NONBLOCK", errno);
    const auto number = ++last_number_;
    auto watched = poller_.add(socket.get(), EPOLLIN, [this, number](std::uint32_t events) { ready(number, events); });
    if (!watched) return std::unexpected(watched.error());
    ++of_agent;
    Client& client = clients_[number];
    client.socket = std::move(socket);
    client.agent = agent;
    client.watched = *watched;
    client.last_moved = clock_.now();
    return number;
}

void StreamClients::ready(std::uint64_t number, std::uint32_t events) {
    const auto found = clients_.find(number);
    if (found == clients_.end()) return;
    Client& client = found->second;
    client.last_moved = clock_.now();
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) return close(number);
    if ((events & EPOLLOUT) != 0 && !write(client)) return close(number);
    if ((events & EPOLLIN) != 0 && !read(client)) return close(number);
    take_queries(number);
    settle(number);
}

bool StreamClients::read(Client& client) const {
    std::array<std::byte, 4 * limits::KiB> buffer{};
    const auto size = ::recv(client.socket.get(), buffer.data(), buffer.size(), 0);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) client.has_ended = true;
    append(client.input, Bytes(buffer).first(static_cast<std::size_t>(size)));
    return true;
}

bool StreamClients::write(Client& client) const {
    while (!client.output.empty()) {
        const auto sent = ::send(client.socket.get(), client.output.data(), client.output.size(), MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        client.output.erase(client.output.begin(), client.output.begin() + sent);
    }
    return true;
}

void StreamClients::take_queries(std::uint64_t number) {
    // A query may be answered at once, and that may close the connection.
    for (auto found = clients_.find(number); found != clients_.end(); found = clients_.find(number)) {
        Client& client = found->second;
        const auto end = message_end(client.input);
        if (end == 0 || client.input.size() < end || !has_room(client.outstanding, client.output)) return;
        const ByteVector query(client.input.begin() + length_size, client.input.begin() + static_cast<std::ptrdiff_t>(end));
        client.input.erase(client.input.begin(), client.input.begin() + static_cast<std::ptrdiff_t>(end));
        ++client.outstanding;
        received_(number, query);
    }
}

void StreamClients::settle(std::uint64_t number) {
    const auto found = clients_.find(number);
    if (found == clients_.end()) return;
    Client& client = found->second;
    if (client.has_ended && client.outstanding == 0 && client.output.empty()) return close(number);
    std::uint32_t events = client.output.empty() ? 0U : EPOLLOUT;
    if (!client.has_ended && has_room(client.outstanding, client.output)) events |= EPOLLIN;
    poller_.change(client.watched, events);
}

void StreamClients::answer(std::uint64_t number, Bytes message) {
    const auto found = clients_.find(number);
    if (found == clients_.end()) return;
    Client& client = found->second;
    if (client.outstanding > 0) --client.outstanding;
    client.last_moved = clock_.now();
    if (!message.empty()) {
        client.output.push_back(static_cast<std::byte>(message.size() >> 8U));
        client.output.push_back(static_cast<std::byte>(message.size() & 0xffU));
        append(client.output, message);
    }
    if (!write(client)) return close(number);
    settle(number);
}

void StreamClients::look_after() {
    const auto now = clock_.now();
    std::vector<std::uint64_t> idle;
    std::vector<std::uint64_t> waiting;
    for (const auto& [number, client] : clients_) {
        const bool is_idle = client.outstanding == 0 && now - client.last_moved >= limits::dns_client_idle_timeout;
        (is_idle ? idle : waiting).push_back(number);
    }
    for (const auto number : idle) close(number);
    // What has come while there was no room.
    for (const auto number : waiting) {
        take_queries(number);
        settle(number);
    }
}

void StreamClients::close(std::uint64_t number) {
    const auto found = clients_.find(number);
    if (found == clients_.end()) return;
    poller_.remove(found->second.watched);
    const auto agent = of_agent_.find(found->second.agent);
    if (agent != of_agent_.end() && --agent->second == 0) of_agent_.erase(agent);
    clients_.erase(found);
}

void StreamClients::close_all() {
    while (!clients_.empty()) close(clients_.begin()->first);
}

}  // namespace assent::resolve

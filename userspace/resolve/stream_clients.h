// Agents' DNS over TCP (RFC 7766): connections that the proxy handed over. Thread: one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/time.h"
#include "resolve/poller.h"

namespace assent::resolve {

class StreamClients {
public:
    // A whole query has come on a connection.
    using Received = std::function<void(std::uint64_t client, Bytes query)>;

    StreamClients(Poller& poller, const Clock& clock, Received received)
        : poller_(poller), clock_(clock), received_(std::move(received)) {}

    // The connection's number; Errc::limit: too many are open, of the agent or in all.
    [[nodiscard]] Result<std::uint64_t> add(Fd socket, const std::string& agent);
    // Ends the wait of one query; an empty answer is none. A connection that is gone is no error.
    void answer(std::uint64_t client, Bytes message);
    // Closes those that have been idle for long; call it often.
    void look_after();
    void close_all();
    [[nodiscard]] std::size_t count() const noexcept { return clients_.size(); }
    [[nodiscard]] bool has(std::uint64_t client) const { return clients_.contains(client); }

private:
    struct Client {
        Fd socket;
        std::string agent;
        std::uint64_t watched = 0;
        ByteVector input;
        ByteVector output;
        std::size_t outstanding = 0;
        bool has_ended = false;  // it sends no more
        Moment last_moved;
    };
    void ready(std::uint64_t number, std::uint32_t events);
    [[nodiscard]] bool read(Client& client) const;
    [[nodiscard]] bool write(Client& client) const;
    void take_queries(std::uint64_t number);
    void settle(std::uint64_t number);
    void close(std::uint64_t number);

    Poller& poller_;
    const Clock& clock_;
    Received received_;
    std::uint64_t last_number_ = 0;
    std::unordered_map<std::uint64_t, Client> clients_;  // at most limits::dns_clients
    std::unordered_map<std::string, std::size_t> of_agent_;
};

}  // namespace assent::resolve

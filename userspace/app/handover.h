// Listening sockets that outlive the program. An upgrade starts the new program in the same process (execve), so that their
// cgroup stays the daemon's, and leaves them open to it: connections wait in them meanwhile, and nobody is refused.
// Thread: the main one, unless said otherwise.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "app/listening.h"
#include "base/fd.h"
#include "base/result.h"
#include "model/address.h"

namespace assent::app {

class Handover {
public:
    // What `--check --handover N` has to understand, so that an older program is not given sockets that it would ignore.
    static constexpr unsigned format = 1;

    Handover() = default;
    // What the program before this one in the same process left, as the environment says; it is taken out of there. What
    // does not listen, or was made in another cgroup than this process is in now, is closed.
    [[nodiscard]] static Handover inherited();

    // The inherited socket that is bound there, in the network namespace with this cookie (0: ours); not open when there is
    // none (any more). Thread: any.
    [[nodiscard]] Fd take(Transport transport, const model::Endpoint& address, std::uint64_t netns_cookie = 0);
    // The TCP ports of the inherited sockets of our network namespace, in the order in which they were made.
    [[nodiscard]] std::vector<std::uint16_t> ports() const;
    // Remembers a duplicate for the next program. Thread: any.
    [[nodiscard]] Result<> keep(const Fd& socket);
    // Closes what was inherited and not taken; gives how many there were.
    std::size_t close_rest();

    // What was kept becomes what is inherited, by the next program or by this one when that cannot be started.
    void pass_on();
    // Of what was inherited: opened to the program of execve(), or closed to it again.
    [[nodiscard]] Result<> set_open(bool is_open) const;
    // "ASSENT_HANDOVER=…" for the environment of that program.
    [[nodiscard]] Result<std::string> variable() const;

    // Moves are for one thread.
    Handover(Handover&& other) noexcept : inherited_(std::move(other.inherited_)), kept_(std::move(other.kept_)) {}
    Handover& operator=(Handover&&) = delete;
    Handover(const Handover&) = delete;
    Handover& operator=(const Handover&) = delete;
    ~Handover() = default;

private:
    struct Socket {
        Fd descriptor;
        Transport transport = Transport::tcp;
        model::Endpoint address;
        std::uint64_t netns_cookie = 0;  // 0: of a unix socket
    };
    // Errc::invalid: it is none of ours.
    [[nodiscard]] static Result<Socket> look_at(Fd descriptor);

    std::mutex mutex_;
    std::vector<Socket> inherited_;
    std::vector<Fd> kept_;
};

// As bind_loopback, but the socket that was inherited, when there is one.
[[nodiscard]] Result<Fd> take_or_bind(Handover& handover, std::uint16_t port, bool is_v6, Transport transport);

}  // namespace assent::app

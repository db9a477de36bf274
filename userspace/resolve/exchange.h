// One query to one resolver, over UDP or TCP, on a socket of its own: its source port is as random as the kernel makes it,
// and what comes from another address never arrives. Thread: one.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "model/address.h"

namespace assent::resolve {

class Exchange {
public:
    // Errc::io when the resolver cannot be reached at all.
    [[nodiscard]] static Result<Exchange> start(const model::Endpoint& resolver, bool is_tcp, Bytes query);

    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }
    // What to wait for (epoll).
    [[nodiscard]] std::uint32_t events() const noexcept;
    // When that has come: a message, which the caller checks; an empty one when there is none yet. Call it again until it is
    // empty. Errc::io: the resolver is not there; nothing more will come.
    [[nodiscard]] Result<ByteVector> ready();

private:
    [[nodiscard]] Result<ByteVector> read_datagram();
    [[nodiscard]] Result<ByteVector> read_stream();

    Fd socket_;
    bool is_tcp_ = false;
    ByteVector output_;  // of TCP, what has not been sent
    ByteVector input_;   // of TCP: the size in two bytes, and what has come of the message
};

}  // namespace assent::resolve

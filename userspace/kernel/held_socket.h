// A socket of another process, got hold of by its descriptor there (pidfd_getfd, Linux 5.6). Private to kernel/.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/processes.h"
#include "model/address.h"

namespace assent::kernel {

class TakenSocket {
public:
    // Errc::not_found: its holder has closed it, or ended.
    [[nodiscard]] static Result<TakenSocket> take(const HeldSocket& held);

    [[nodiscard]] int family() const noexcept { return family_; }
    [[nodiscard]] int type() const noexcept { return type_; }
    [[nodiscard]] int protocol() const noexcept { return protocol_; }
    [[nodiscard]] bool is_listening() const;
    [[nodiscard]] model::Endpoint local() const;
    [[nodiscard]] model::Endpoint remote() const;  // all zero: it is not connected

    // Ends its connection for all who hold it; the peer of a TCP connection sees a reset.
    [[nodiscard]] Result<> disconnect() const;
    // It sends and takes nothing any more, for whoever holds it: a policy (of the kernel's IPsec) of its own that blocks
    // everything, which only an administrator of its network namespace can take away. An IPv6 socket could still reach IPv4
    // addresses, so it is bound to the loopback interface too. Errc::unsupported: the kernel has no such policies.
    [[nodiscard]] Result<> block() const;

private:
    Fd descriptor_;
    int family_ = 0;
    int type_ = 0;
    int protocol_ = 0;
};

}  // namespace assent::kernel

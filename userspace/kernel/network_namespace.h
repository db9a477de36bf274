// Network namespaces: whose they are, and doing something inside. Thread: any.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "base/fd.h"
#include "base/result.h"

namespace assent::kernel {

// The inode of the namespace that a thread (or process) is in; 0: it has ended. Numbers are used again.
[[nodiscard]] std::uint64_t network_inode_of(pid_t thread);
// Its file, which keeps the namespace alive. Errc::not_found: the thread has ended.
[[nodiscard]] Result<Fd> open_network_of(pid_t thread);
// Of the namespace that this thread is in; never used again while the host is up.
[[nodiscard]] Result<std::uint64_t> own_network_cookie();
// Of the namespace that a socket is in.
[[nodiscard]] Result<std::uint64_t> network_cookie_of(int socket);
// Calls `work` on a thread of its own that has entered the namespace, and waits for it.
[[nodiscard]] Result<> inside_network(const Fd& network, const std::function<Result<>()>& work);
// The loopback interface of the namespace that this thread is in has been raised.
[[nodiscard]] bool is_loopback_up();

}  // namespace assent::kernel

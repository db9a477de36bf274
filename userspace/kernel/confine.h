// What `assent run` takes from its command before it starts: the things that the BPF programs cannot govern. For a
// single-threaded process that is about to execute something else; nothing of it can be undone.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace assent::kernel {

struct Account {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
    std::string home;
    std::string shell;
};

// By name or number. Errc::not_found; Errc::unavailable when the host cannot tell.
[[nodiscard]] Result<Account> account_of(std::string_view user);

// As whom the command will run: `wanted`; without it the caller, who under sudo is SUDO_UID (believed from root alone).
// Never root: Errc::invalid says to name one. Errc::denied when somebody who is not root names another.
[[nodiscard]] Result<Account> choose_account(const std::optional<std::string>& wanted);

// Standard input, output and error must not be network sockets: they would have been opened outside. Errc::invalid names it.
[[nodiscard]] Result<> check_standard_streams();

// In this order: groups, gid and uid; no new privileges; no capabilities in any set; a Landlock domain of its own; seccomp;
// inherited descriptors from 3 on are closed. After an error the process must end.
[[nodiscard]] Result<> confine(const Account& account);

// The system call filter alone: sockets of AF_INET, AF_INET6, AF_UNIX and AF_NETLINK's routing only (EAFNOSUPPORT), no
// io_uring (it would make sockets past this filter), bpf(), perf_event_open(), or reaching into other processes (ptrace,
// pidfd_getfd and the like: an ungoverned one of the same user has an open network), all EPERM; and no system calls of
// another architecture (the process is killed).
[[nodiscard]] Result<> filter_system_calls();
// The same filter, not loaded, but written to a descriptor as the kernel's instructions (struct sock_filter).
[[nodiscard]] Result<> export_filter(int descriptor);

// No reaching into processes outside: ptrace, /proc/PID/mem (where an ungoverned process of the same user could be made to
// do it all); with Linux 6.12 also signals and abstract unix sockets. False: this kernel has no Landlock, and nothing was
// done. Before Linux 6.12 mounting is refused inside, also in namespaces of the process's own.
[[nodiscard]] Result<bool> separate_from_others();

}  // namespace assent::kernel

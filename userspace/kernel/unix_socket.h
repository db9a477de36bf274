// Agents that come over a unix socket: who they are, and how their target is reached in their name. Thread: any.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace assent::kernel {

// As whom the target's socket is opened: it sees the agent's own user (`peer` authentication), and a socket that the agent
// may not open stays closed to it.
struct UnixCaller {
    uid_t uid = static_cast<uid_t>(-1);
    gid_t gid = static_cast<gid_t>(-1);
    std::vector<gid_t> groups;
};

// Of an accepted socket.
[[nodiscard]] Result<UnixCaller> unix_caller_of(int accepted);

// Connected; it does not wait for a place in a full queue. `name`: a path, or '@' and an abstract name. Only the calling
// thread takes the caller's place meanwhile; the process ends when it cannot be itself again.
[[nodiscard]] Result<Fd> connect_as(const UnixCaller& caller, const std::string& name);

// Listens at the path, which everybody may connect to; what lies there is removed.
[[nodiscard]] Result<Fd> listen_at(const std::filesystem::path& path);

}  // namespace assent::kernel

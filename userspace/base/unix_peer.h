// The process at the other end of an accepted unix socket, as the kernel says.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "base/fd.h"
#include "base/result.h"

namespace assent {

struct UnixPeer {
    pid_t pid = 0;
    uid_t uid = static_cast<uid_t>(-1);
    gid_t gid = static_cast<gid_t>(-1);
    Fd process;  // a handle: of the one that connected where the kernel can say (6.5), else of whoever has its number now

    // Errc::denied: it cannot be told who it is.
    [[nodiscard]] static Result<UnixPeer> of(int descriptor);
    // What /proc said of `pid` before was of this process only when this is false after it.
    [[nodiscard]] bool has_ended() const noexcept;
};

// The login uid of a process; nothing when it has none, or the kernel does not audit.
[[nodiscard]] std::optional<std::uint32_t> login_uid_of(pid_t pid);

}  // namespace assent

// What a privileged daemon does for somebody is done with that one's rights.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/unix_socket.h"

namespace assent::kernel {

// While it lives the calling thread, and no other, has the caller's rights to files and sockets.
class InPlaceOf {
public:
    explicit InPlaceOf(const UnixCaller& caller);
    InPlaceOf(const InPlaceOf&) = delete;
    InPlaceOf& operator=(const InPlaceOf&) = delete;
    ~InPlaceOf();
    [[nodiscard]] bool is_taken() const noexcept { return is_taken_; }

private:
    std::vector<gid_t> own_;
    uid_t user_;
    gid_t group_;
    bool is_taken_ = false;
};

// The user with the groups that this host gives it. Errc::not_found: there is no such user.
[[nodiscard]] Result<UnixCaller> caller_of_user(uid_t uid);

// Opens a regular file for reading, as the caller could. Never waits for whoever else has it open. Errors: Errc::io,
// Errc::denied (it is no regular file).
[[nodiscard]] Result<Fd> open_as(const UnixCaller& caller, const std::filesystem::path& path);

}  // namespace assent::kernel

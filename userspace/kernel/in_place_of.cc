#include "kernel/in_place_of.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>

#include "base/shown_text.h"

namespace assent::kernel {
namespace {

// The C library changes all threads at once; these are of the calling thread alone.
bool set_user(uid_t effective) {
    constexpr auto same = static_cast<uid_t>(-1);
    return ::syscall(SYS_setresuid, same, effective, same) == 0;
}
bool set_group(gid_t effective) {
    constexpr auto same = static_cast<gid_t>(-1);
    return ::syscall(SYS_setresgid, same, effective, same) == 0;
}
bool set_groups(const std::vector<gid_t>& groups) { return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0; }

std::vector<gid_t> own_groups() {
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
    groups.resize(static_cast<std::size_t>(std::max(::getgroups(static_cast<int>(groups.size()), groups.data()), 0)));
    return groups;
}

}  // namespace

InPlaceOf::InPlaceOf(const UnixCaller& caller) : own_(own_groups()), user_(::geteuid()), group_(::getegid()) {
    is_taken_ = set_groups(caller.groups) && set_group(caller.gid) && set_user(caller.uid);
}

InPlaceOf::~InPlaceOf() {
    // A thread that stayed somebody else would do everything later as they.
    if (!set_user(user_) || !set_group(group_) || !set_groups(own_)) std::abort();
}

Result<UnixCaller> caller_of_user(uid_t uid) {
    std::array<char, 16 * 1024> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
        return fail(Errc::not_found, fmt::format("this host has no user {}", uid));
    UnixCaller out{uid, found->pw_gid, std::vector<gid_t>(64)};
    int count = static_cast<int>(out.groups.size());
    if (::getgrouplist(found->pw_name, found->pw_gid, out.groups.data(), &count) < 0) {
        out.groups.resize(static_cast<std::size_t>(std::clamp(count, 1, 64 * 1024)));  // NGROUPS_MAX
        count = static_cast<int>(out.groups.size());
        if (::getgrouplist(found->pw_name, found->pw_gid, out.groups.data(), &count) < 0) count = 0;
    }
    out.groups.resize(static_cast<std::size_t>(count));
    return out;
}

Result<Fd> open_as(const UnixCaller& caller, const std::filesystem::path& path) {
    const std::string what = "opening " + shown_text(path.string());
    Fd file;
    int error = 0;
    {
        const InPlaceOf place(caller);
        if (!place.is_taken()) return fail(Errc::internal, what + ": the user could not be taken");
        file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
        error = errno;
    }
    if (!file.is_open()) return fail_errno(what, error);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return fail_errno(what, errno);
    if (!S_ISREG(status.st_mode)) return fail(Errc::denied, what + ": it is not a regular file");
    return file;
}

}  // namespace assent::kernel

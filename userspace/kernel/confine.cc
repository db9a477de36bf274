#include "kernel/confine.h"

#include <grp.h>
#include <linux/close_range.h>
#include <linux/netlink.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>

#include <cap-ng.h>
#include <fmt/format.h>

#include "kernel/own_domain.h"

namespace assent::kernel {
namespace {

struct Release {
    void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

std::optional<uid_t> to_uid(std::string_view text) {
    uid_t uid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return uid;
}

Account to_account(const passwd& entry) { return {entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell}; }

Result<> become(const Account& account) {
    if (::getuid() == 0 || ::geteuid() == 0) {
        if (::initgroups(account.name.c_str(), account.gid) != 0) return fail_errno("setting the groups", errno);
        if (::setresgid(account.gid, account.gid, account.gid) != 0) return fail_errno("setting the group", errno);
        if (::setresuid(account.uid, account.uid, account.uid) != 0) return fail_errno("setting the user", errno);
    }
    uid_t real = 0;
    uid_t effective = 0;
    uid_t saved = 0;
    if (::getresuid(&real, &effective, &saved) != 0) return fail_errno("reading the user", errno);
    if (real != account.uid || effective != account.uid || saved != account.uid || account.uid == 0)
        return fail(Errc::internal, "the process did not become the wanted user");
    return {};
}

// The bounding set can only be lowered by a process that still has CAP_SETPCAP: so before the user changes.
void lower_bounding_set() {
    capng_clear(CAPNG_SELECT_BOUNDS);
    [[maybe_unused]] const int applied = capng_apply(CAPNG_SELECT_BOUNDS);
}

Result<> drop_capabilities() {
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        return fail_errno("clearing ambient capabilities", errno);
    capng_clear(CAPNG_SELECT_CAPS);
    if (capng_apply(CAPNG_SELECT_CAPS) != 0) return fail(Errc::io, "dropping capabilities failed");
    if (capng_get_caps_process() != 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) > CAPNG_NONE)
        return fail(Errc::internal, "the process still has capabilities");
    return {};
}

std::unexpected<Error> filter_failed(int error) { return fail_errno("making the system call filter", -error); }

Result<> refuse_call(const Filter& filter, int call, int error) {
    const int done = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(static_cast<unsigned>(error)), call, 0);
    if (done != 0) return filter_failed(done);
    return {};
}

// Typing into the terminal that the run shares with the shell it was started from.
Result<> refuse_typing(const Filter& filter) {
    constexpr std::uint64_t low_half = 0xffffffff;  // all that the kernel looks at
    for (const std::uint64_t request : {std::uint64_t{TIOCSTI}, std::uint64_t{TIOCLINUX}}) {
        const int done = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                                          SCMP_A1_64(SCMP_CMP_MASKED_EQ, low_half, request));
        if (done != 0) return filter_failed(done);
    }
    return {};
}

// socket() of any family but these. The kernel takes the family as an int: only its low 32 bits are looked at.
Result<> refuse_families(const Filter& filter, int call) {
    constexpr std::uint64_t low_half = 0xffffffff;
    constexpr int last_family = 64;  // AF_MAX is 46 in Linux 6.12; numbers above it are refused as a range
    const auto refused = SCMP_ACT_ERRNO(EAFNOSUPPORT);
    for (int family = 0; family < last_family; ++family) {
        if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK) continue;
        const int done = seccomp_rule_add(filter.get(), refused, call, 1,
                                          SCMP_A0_64(SCMP_CMP_MASKED_EQ, low_half, static_cast<std::uint64_t>(family)));
        if (done != 0) return filter_failed(done);
    }
    // Every number with a higher bit set, one bit at a time.
    for (std::uint64_t bit = last_family; bit <= low_half; bit <<= 1U) {
        const int done = seccomp_rule_add(filter.get(), refused, call, 1, SCMP_A0_64(SCMP_CMP_MASKED_EQ, bit, bit));
        if (done != 0) return filter_failed(done);
    }
    for (std::uint64_t protocol = 1; protocol < 32; ++protocol) {
        const int done =
            seccomp_rule_add(filter.get(), refused, call, 2, SCMP_A0_64(SCMP_CMP_MASKED_EQ, low_half, AF_NETLINK),
                             SCMP_A2_64(SCMP_CMP_MASKED_EQ, low_half, protocol));
        if (done != 0) return filter_failed(done);
    }
    for (std::uint64_t bit = 32; bit <= low_half; bit <<= 1U) {
        const int done =
            seccomp_rule_add(filter.get(), refused, call, 2, SCMP_A0_64(SCMP_CMP_MASKED_EQ, low_half, AF_NETLINK),
                             SCMP_A2_64(SCMP_CMP_MASKED_EQ, bit, bit));
        if (done != 0) return filter_failed(done);
    }
    return {};
}

Result<Filter> make_filter() {
    Filter filter(seccomp_init(SCMP_ACT_ALLOW));
    if (!filter) return fail(Errc::io, "making the system call filter failed");
    // Another architecture's calls (32 bit, x32) have other numbers and would pass: none of them are taken.
    if (const int done = seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS); done != 0)
        return filter_failed(done);
    for (const int call : {SCMP_SYS(socket), SCMP_SYS(socketpair)})
        if (auto added = refuse_families(filter, call); !added) return std::unexpected(added.error());
    for (const int call : {SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(bpf),
                           SCMP_SYS(perf_event_open), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
                           SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd)})
        if (auto added = refuse_call(filter, call, EPERM); !added) return std::unexpected(added.error());
    if (auto added = refuse_typing(filter); !added) return std::unexpected(added.error());
    return filter;
}

}  // namespace

Result<Account> account_of(std::string_view user) {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 16384> buffer{};
    const auto uid = to_uid(user);
    const int error = uid ? ::getpwuid_r(*uid, &entry, buffer.data(), buffer.size(), &found)
                          : ::getpwnam_r(std::string(user).c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found != nullptr) return to_account(*found);
    // Several ways of saying that there is none; the rest is that nobody could tell.
    const bool is_known_missing = error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
    if (!is_known_missing)
        return fail(Errc::unavailable,
                    fmt::format("the host's users cannot be read: {}", std::generic_category().message(error)));
    return fail(Errc::not_found, fmt::format("there is no user '{}' on this host", user));
}

Result<Account> choose_account(const std::optional<std::string>& wanted) {
    std::string user = fmt::format("{}", ::getuid());
    const char* sudo = ::getuid() == 0 ? std::getenv("SUDO_UID") : nullptr;
    if (wanted)
        user = *wanted;
    else if (sudo != nullptr)
        user = sudo;
    auto account = account_of(user);
    if (!account) return account;
    if (account->uid == 0) return fail(Errc::invalid, "an agent never runs as root: name an ordinary user with --user NAME");
    if (::getuid() != 0 && account->uid != ::getuid())
        return fail(Errc::denied, fmt::format("only root starts a run as somebody else ({}): use sudo", account->name));
    return account;
}

Result<> check_standard_streams() {
    static constexpr std::array names{"standard input", "standard output", "standard error"};
    for (int descriptor = 0; descriptor < 3; ++descriptor) {
        int family = AF_UNSPEC;
        socklen_t size = sizeof(family);
        if (::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0 || family == AF_UNIX) continue;
        return fail(Errc::invalid, fmt::format("{} is a network socket that was opened outside: redirect it",
                                               names[static_cast<std::size_t>(descriptor)]));
    }
    return {};
}

Result<> filter_system_calls() {
    const auto filter = make_filter();
    if (!filter) return std::unexpected(filter.error());
    if (const int done = seccomp_load(filter->get()); done != 0) return filter_failed(done);
    return {};
}

Result<> export_filter(int descriptor) {
    const auto filter = make_filter();
    if (!filter) return std::unexpected(filter.error());
    if (const int done = seccomp_export_bpf(filter->get(), descriptor); done != 0) return filter_failed(done);
    return {};
}

Result<bool> separate_from_others() {
    const int error = assent_enter_own_domain();
    if (error == EOPNOTSUPP || error == ENOSYS) return false;
    if (error != 0) return fail_errno("entering a Landlock domain", error);
    return true;
}

Result<> confine(const Account& account) {
    lower_bounding_set();
    if (auto done = become(account); !done) return done;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("no_new_privs", errno);
    if (auto done = drop_capabilities(); !done) return done;
    if (auto done = check_standard_streams(); !done) return done;
    if (const auto done = separate_from_others(); !done) return std::unexpected(done.error());
    if (auto done = filter_system_calls(); !done) return done;
    if (::close_range(3, ~0U, 0) != 0) return fail_errno("closing inherited descriptors", errno);
    return {};
}

}  // namespace assent::kernel

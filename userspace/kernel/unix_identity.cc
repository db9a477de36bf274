#include "kernel/unix_identity.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include <fmt/format.h>

#include "base/unix_peer.h"
#include "kernel/cgroup.h"
#include "kernel/containment.h"
#include "kernel/identity.h"

namespace assent::kernel {
namespace {

constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;

void read_program(pid_t pid, assent_identity& who) {
    struct stat program {};
    if (::stat(fmt::format("/proc/{}/exe", pid).c_str(), &program) == 0) {
        who.exe_inode = program.st_ino;
        who.exe_device =
            (static_cast<std::uint32_t>(major(program.st_dev)) << 20U) | static_cast<std::uint32_t>(minor(program.st_dev));
    }
    std::string comm;
    std::ifstream in(fmt::format("/proc/{}/comm", pid));
    std::getline(in, comm);
    std::copy_n(comm.begin(), std::min(comm.size(), sizeof(who.comm) - 1), std::begin(who.comm));
}

}  // namespace

std::optional<assent_unix_name> unix_name(std::string_view text) {
    if (text.empty() || text.size() > ASSENT_UNIX_NAME) return std::nullopt;
    assent_unix_name out{};
    out.length = static_cast<std::uint32_t>(text.size());
    std::copy(text.begin(), text.end(), std::begin(out.bytes));
    if (text.front() == '@') out.bytes[0] = '\0';
    return out;
}

std::string to_text(const assent_unix_name& name) {
    std::string out(name.bytes, std::min<std::size_t>(name.length, ASSENT_UNIX_NAME));
    if (!out.empty() && out.front() == '\0') out.front() = '@';
    return out;
}

assent_unix_rule unix_rule(const UnixRule& rule) {
    using enum UnixRule::Action;
    const std::string& proxy = rule.proxy.native();
    assent_unix_rule out{};
    out.action = rule.action == redirect ? ASSENT_UNIX_REDIRECT
                 : rule.action == pass   ? ASSENT_UNIX_PASS
                                         : ASSENT_UNIX_REFUSE;
    out.proxy_length = static_cast<std::uint32_t>(std::min<std::size_t>(proxy.size(), ASSENT_UNIX_NAME));
    std::copy_n(proxy.begin(), out.proxy_length, std::begin(out.proxy));
    return out;
}

Result<assent_identity> identify_process(pid_t pid, const std::filesystem::path& cgroup_root) {
    assent_identity who{};
    const auto path = cgroup_path_of_process(pid);
    if (!path) return std::unexpected(path.error());
    const auto cgroup = cgroup_id_of(cgroup_folder(cgroup_root, *path));
    if (!cgroup) return std::unexpected(cgroup.error());
    struct stat status {};
    if (::stat(fmt::format("/proc/{}", pid).c_str(), &status) == 0) who.uid = status.st_uid;
    who.cgroup_id = *cgroup;
    who.pid = static_cast<std::uint32_t>(pid);
    who.login_uid = login_uid_of(pid).value_or(~0U);
    const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    who.start_time_ns = start_ticks_of(pid) * (nanoseconds_per_second / per_second);
    read_program(pid, who);
    const auto powers = powers_of_process(pid);
    if (!powers) return std::unexpected(powers.error());
    who.held = powers->capabilities;
    who.bounding = powers->bounding_capabilities;
    if (powers->has_no_new_privileges) who.flags |= ASSENT_NO_NEW_PRIVILEGES;
    if (powers->has_filter) who.flags |= ASSENT_HAS_FILTER;
    return who;
}

Result<assent_identity> identify_unix_peer(int accepted, const std::filesystem::path& cgroup_root) {
    const auto peer = UnixPeer::of(accepted);
    if (!peer) return std::unexpected(peer.error());
    auto who = identify_process(peer->pid, cgroup_root);
    if (!who) return who;
    who->uid = peer->uid;
    // Still the same process: then everything above was of it.
    if (peer->has_ended()) return fail(Errc::denied, "its process has ended");
    return who;
}

}  // namespace assent::kernel

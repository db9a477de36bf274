#include "control/peer.h"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/unix_peer.h"

namespace assent::control {
namespace {

constexpr auto no_login = static_cast<std::uint32_t>(-1);

std::unexpected<Error> stranger(std::string_view why) {
    return fail(Errc::denied, "assentd cannot tell who asks (" + std::string(why) + ")");
}

Result<ucred> credentials_of(int descriptor) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return fail_errno("SO_PEERCRED", errno);
    return credentials;
}

Result<std::string> file_text(const std::filesystem::path& file) {
    std::ifstream in(file);
    if (!in) return stranger("cannot read " + file.string());
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

// The cgroup 2 mount: every kernel has one hierarchy of it, wherever it is mounted.
Result<std::filesystem::path> cgroup_mount() {
    std::ifstream in("/proc/self/mountinfo");
    std::string line;
    while (std::getline(in, line)) {
        std::istringstream words(line);
        std::string word;
        std::string root;
        std::string where;
        words >> word >> word >> word >> root >> where;
        while (words >> word && word != "-") {
        }
        words >> word;
        if (word == "cgroup2" && root == "/") return std::filesystem::path(where);
    }
    return stranger("this host has no cgroup 2 mount");
}

Result<> read_cgroup(const std::filesystem::path& process, Peer& peer) {
    auto text = file_text(process / "cgroup");
    if (!text) return std::unexpected(std::move(text.error()));
    std::istringstream lines(*text);
    std::string line;
    while (std::getline(lines, line)) {
        if (line.starts_with("0::/")) peer.cgroup_path = line.substr(3);
    }
    // A path that leads out of what we see would be looked up as another cgroup.
    const bool leads_out = (peer.cgroup_path + "/").find("/../") != std::string::npos;
    if (peer.cgroup_path.empty() || leads_out) return stranger("its process is in no cgroup of version 2");
    auto mount = cgroup_mount();
    if (!mount) return std::unexpected(std::move(mount.error()));
    struct stat status {};
    const std::string folder = mount->native() + peer.cgroup_path;
    if (::stat(folder.c_str(), &status) != 0) return stranger("its cgroup " + peer.cgroup_path + " is gone");
    peer.cgroup_id = status.st_ino;
    return {};
}

void add_names(approve::Person& person) {
    std::array<char, 16 * 1024> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    // sudo keeps who logged in. Anybody else's login uid is their word alone: a process that has none may write itself one.
    const bool is_known_to_root = person.uid == 0 && person.login_uid != no_login;
    if (::getpwuid_r(is_known_to_root ? person.login_uid : person.uid, &entry, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr)
        return;
    person.name = found->pw_name;
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count) < 0 && count > 0) {
        groups.resize(static_cast<std::size_t>(count));
        if (::getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count) < 0) count = 0;
    }
    groups.resize(static_cast<std::size_t>(std::max(count, 0)));
    for (const gid_t gid : groups) {
        std::vector<char> space(64 * 1024);
        group group_entry{};
        group* group_found = nullptr;
        if (::getgrgid_r(gid, &group_entry, space.data(), space.size(), &group_found) == 0 && group_found != nullptr) {
            person.groups.emplace_back(group_found->gr_name);
        }
    }
}

}  // namespace

Result<uid_t> uid_of_peer(int descriptor) {
    auto credentials = credentials_of(descriptor);
    if (!credentials) return std::unexpected(std::move(credentials.error()));
    return credentials->uid;
}

Result<Peer> identify_peer(int descriptor, const std::function<bool(std::uint64_t)>& is_governed) {
    auto connected = UnixPeer::of(descriptor);
    if (!connected) return stranger(connected.error().message);

    Peer peer;
    peer.pid = connected->pid;
    peer.uid = connected->uid;
    peer.gid = connected->gid;
    const std::filesystem::path folder = "/proc/" + std::to_string(peer.pid);
    if (auto read = read_cgroup(folder, peer); !read) return std::unexpected(std::move(read.error()));
    peer.person.uid = peer.uid;
    peer.person.login_uid = login_uid_of(peer.pid).value_or(peer.uid);
    // Still the same process: then everything above was of it.
    if (connected->has_ended()) return stranger("its process has ended");
    peer.person.is_governed = is_governed(peer.cgroup_id);
    add_names(peer.person);
    return peer;
}

}  // namespace assent::control

#include "app/unix_doors.h"

#include <sys/stat.h>

#include <cerrno>

#include "base/bytes.h"
#include "base/digest.h"
#include "kernel/unix_socket.h"

namespace assent::app {
namespace {

constexpr std::size_t name_digits = 16;

}  // namespace

Result<std::filesystem::path> UnixDoors::door_for(const std::string& name) {
    if (const auto found = doors_.find(name); found != doors_.end()) return found->second;
    const auto folder = settings_.run / "unix";
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return fail_errno("making " + folder.string(), error.value());
    constexpr mode_t passable = 0711;  // agents have to reach what is in it, and nobody but root puts anything there
    if (::chmod(folder.c_str(), passable) != 0) return fail_errno("opening " + folder.string() + " to agents", errno);
    auto door = folder / (to_hex(sha256(as_bytes(name))).substr(0, name_digits) + ".sock");
    Result<Fd> socket = handover_.take(Transport::tcp, {{}, 0, door.string()});
    if (!socket->is_open()) socket = kernel::listen_at(door);
    if (!socket) return std::unexpected(std::move(socket.error()));
    if (auto kept = handover_.keep(*socket); !kept) return std::unexpected(std::move(kept.error()));
    if (auto listening = listen_(std::move(*socket), name); !listening) return std::unexpected(listening.error());
    doors_.emplace(name, door);
    return door;
}

Result<> UnixDoors::open(const policy::Policy& policy) {
    const std::lock_guard lock(mutex_);
    using Action = kernel::UnixRule::Action;
    std::vector<kernel::UnixRule> rules;
    // The C library tries these before each look-up of a name, whether anybody is there or not.
    for (const char* name_cache : {"/var/run/nscd/socket", "/run/nscd/socket"})
        rules.push_back({name_cache, Action::refuse, {}});
    for (const auto& target : policy.targets()) {
        for (const auto& address : target.addresses) {
            if (address.unix_name.empty() || !redirect_.has_unix()) continue;
            auto door = door_for(address.unix_name);
            if (!door) return std::unexpected(std::move(door.error()));
            rules.push_back({address.unix_name, Action::redirect, std::move(*door)});
        }
    }
    rules.push_back({(settings_.run / "control.sock").string(), Action::pass, {}});
    for (const auto& path : settings_.unix_sockets.datagrams) rules.push_back({path, Action::pass, {}});
    return redirect_.set_unix_rules(rules, settings_.unix_sockets.others_pass);
}

}  // namespace assent::app

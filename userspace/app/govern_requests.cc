#include "app/govern_requests.h"

#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "kernel/cgroup.h"
#include "model/record.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using nlohmann::json;

// Where systemd puts what it runs for a unit before the unit itself, when the unit's cgroup is handed over to it.
constexpr std::string_view control_part = "/.control";

Result<std::vector<std::string>> cgroups_of(kernel::Redirect& redirect, const Peer& peer, const json& request) {
    if (const auto unit = request.value("unit", std::string()); !unit.empty()) {
        auto found = redirect.cgroups_of_unit(unit);
        if (found.empty()) return fail(Errc::not_found, fmt::format("no unit {} runs here", unit));
        return found;
    }
    if (const auto path = request.value("cgroup", std::string()); !path.empty()) return std::vector{path};
    if (const auto pid = request.value("pid", pid_t{0}); pid != 0) {
        auto path = kernel::cgroup_path_of_process(pid);
        if (!path) return std::unexpected(path.error());
        return std::vector{*path};
    }
    std::string own = peer.cgroup_path;
    if (own.ends_with(control_part)) own.resize(own.size() - control_part.size());
    return std::vector{own};
}

Result<json> govern(const GovernSource& source, const Peer& peer, const json& request) {
    if (peer.uid != 0) return fail(Errc::denied, "only root has cgroups governed");
    const auto paths = cgroups_of(source.redirect, peer, request);
    if (!paths) return std::unexpected(paths.error());
    const json answer{{"cgroups", *paths}};
    const bool is_own = paths->size() == 1 && kernel::is_within(peer.cgroup_path, paths->front());
    if (peer.person.is_governed && !is_own) return fail(Errc::denied, "an agent does not say who is governed");
    const pid_t process = peer.person.is_governed ? peer.pid : request.value("pid", peer.pid);
    if (auto listening = source.listen_where(process); !listening) return std::unexpected(listening.error());
    if (peer.person.is_governed) return answer;
    std::string members;
    JsonWriter(members)
        .member("what", "govern")
        .strings("cgroups", *paths)
        .member("person", peer.person.name)
        .member("uid", peer.uid)
        .member("login_uid", peer.person.login_uid);
    if (auto recorded = source.record({model::record_type::administered, {}, members, {}, true}); !recorded)
        return std::unexpected(recorded.error());
    for (const auto& path : *paths)
        if (auto done = source.redirect.govern_now(path); !done) return std::unexpected(done.error());
    return answer;
}

}  // namespace

void add_govern_requests(control::Server& server, GovernSource source) {
    const auto shared = std::make_shared<const GovernSource>(std::move(source));
    server.handle("govern",
                  [shared](const Peer& peer, const json& request, const Emit&) { return govern(*shared, peer, request); });
}

}  // namespace assent::app

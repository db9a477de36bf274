#include "app/run_requests.h"

#include <memory>

#include "app/login_requests.h"
#include "base/json_writer.h"
#include "kernel/cgroup.h"
#include "model/record.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using nlohmann::json;

constexpr std::size_t reason_size = 1000;
constexpr uid_t no_uid = static_cast<uid_t>(-1);

// The user who asks; for root by sudo the person who logged in, and for root without one whom root says it acts for.
uid_t runner_of(const Peer& peer, const json& request) {
    if (peer.uid != 0) return peer.uid;
    if (peer.person.login_uid != 0 && peer.person.login_uid != no_uid) return peer.person.login_uid;
    return request.value("runner_uid", uid_t{0});
}

std::string run_members(const kernel::RunRequest& request, const Peer& peer, const std::string& runner) {
    std::string members;
    JsonWriter(members)
        .member("run", request.name)
        .member("purpose", request.purpose)
        .member("runner", runner)
        .member("runner_uid", request.runner_uid)
        .member("pid", peer.pid)
        .member("uid", peer.uid)
        .member("login_uid", peer.person.login_uid);
    return members;
}

Result<TokenPointer> token_of_run(const RunSource& source, const Peer& peer, const std::string& file) {
    if (file.empty()) return TokenPointer();
    if (peer.person.is_governed)
        return fail(Errc::denied, "this process is governed already; it takes a token with `assent login`");
    if (!file.starts_with('/')) return fail(Errc::invalid, "the token's file needs its whole path");
    return source.try_token(file, peer.uid);
}

Result<json> refuse_run(const RunSource& source, std::string members, Error error) {
    JsonWriter(members.append(",")).member("why", error.message);
    auto recorded = source.record({model::record_type::run_refused, {}, members, {}, true});
    if (!recorded) return std::unexpected(std::move(recorded.error()));
    return std::unexpected(std::move(error));
}

Result<json> run(const RunSource& source, const Peer& peer, const json& request) {
    if (source.runs == nullptr)
        return fail(Errc::unavailable,
                    "no slice is governed here, so there is no place for a run: name one in `govern.slices`");
    kernel::RunRequest wanted;
    wanted.name = request.at("name").get<std::string>();
    wanted.purpose = request.value("purpose", "");
    wanted.start_ticks = request.at("start_ticks").get<std::uint64_t>();
    wanted.pid = peer.pid;
    wanted.uid = peer.uid;
    wanted.runner_uid = runner_of(peer, request);
    const auto runner = kernel::user_name(wanted.runner_uid);
    auto members = run_members(wanted, peer, runner);
    const std::string token_file = request.value("token_file", "");
    // Before the process is moved: a run without the token that was asked for does not begin.
    auto token = token_of_run(source, peer, token_file);
    if (!token) return refuse_run(source, std::move(members), std::move(token.error()));
    auto started = source.runs->start(wanted, source.is_governed, source.may_run);
    if (!started) return refuse_run(source, std::move(members), std::move(started.error()));
    if (*token != nullptr) {
        if (auto bound = source.bind_token(*started, token_file, peer.uid, std::move(*token)); !bound)
            return std::unexpected(std::move(bound.error()));
    }
    if (auto listening = source.listen_where(peer.pid); !listening) return std::unexpected(std::move(listening.error()));
    JsonWriter(members.append(","))
        .member("cgroup", started->cgroup_path)
        .member("cgroup_id", started->cgroup_id)
        .member("kept_outer", started->kept_outer);
    // Without its record the run does not begin: the process is governed by now and told that it failed.
    auto recorded = source.record({model::record_type::run_started, {}, members, {}, true});
    if (!recorded) return std::unexpected(std::move(recorded.error()));
    return json{{"cgroup", started->cgroup_path},
                {"kept_outer", started->kept_outer},
                {"runner", started->runner},
                {"name", wanted.name}};
}

json whoami(const RunSource& source, const Peer& peer) {
    json answer{{"governed", peer.person.is_governed}, {"user", kernel::user_name(peer.uid)}, {"cgroup", peer.cgroup_path}};
    if (!peer.person.issuer.empty()) answer["person"] = person_to_json(peer.person);
    if (!peer.person.is_governed) return answer;
    model::Agent agent = agent_of_peer(source.runs, peer);
    source.add_token(agent);
    if (agent.token != nullptr) answer["token"] = token_to_json(*agent.token);
    answer["agent"] = agent.name();
    answer["unit"] = agent.unit;
    answer["slice"] = agent.slice;
    answer["run"] = agent.run_name;
    answer["runner"] = agent.runner;
    answer["purpose"] = agent.purpose;
    if (source.add_permissions) source.add_permissions(agent, answer);
    return answer;
}

Result<json> detach(const RunSource& source, const Peer& peer, const json& request) {
    if (peer.uid != 0 || peer.person.is_governed) return fail(Errc::denied, "only root detaches, and no agent does");
    const auto reason = request.at("reason").get<std::string>();
    if (reason.empty() || reason.size() > reason_size) return fail(Errc::invalid, "say why, in 1 to 1,000 bytes");
    std::string members;
    JsonWriter(members)
        .member("reason", reason)
        .member("person", peer.person.name)
        .member("uid", peer.uid)
        .member("login_uid", peer.person.login_uid);
    auto recorded = source.record({model::record_type::detached, {}, members, {}, true});
    if (!recorded) return std::unexpected(std::move(recorded.error()));
    auto removed = source.detach();
    if (!removed) return std::unexpected(std::move(removed.error()));
    return json{{"removed", *removed}};
}

}  // namespace

model::Agent agent_of_peer(const kernel::Runs* runs, const Peer& peer) {
    model::Agent agent;
    agent.cgroup_id = peer.cgroup_id;
    agent.cgroup_path = peer.cgroup_path;
    auto names = kernel::unit_names(peer.cgroup_path);
    agent.unit = std::move(names.unit);
    agent.slice = std::move(names.slice);
    agent.pid = peer.pid;
    agent.uid = peer.uid;
    if (runs != nullptr) runs->describe(agent);
    return agent;
}

void add_run_requests(control::Server& server, RunSource source) {
    const auto shared = std::make_shared<const RunSource>(std::move(source));
    server.handle("run",
                  [shared](const Peer& peer, const json& request, const Emit&) { return run(*shared, peer, request); });
    server.handle("whoami",
                  [shared](const Peer& peer, const json&, const Emit&) -> Result<json> { return whoami(*shared, peer); });
    server.handle("detach",
                  [shared](const Peer& peer, const json& request, const Emit&) { return detach(*shared, peer, request); });
}

}  // namespace assent::app

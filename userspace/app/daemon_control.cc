// What the daemon answers on its control socket.
#include <unistd.h>

#include <fmt/format.h>

#include "app/daemon.h"
#include "app/daemon_parts.h"
#include "app/govern_requests.h"
#include "app/grant_requests.h"
#include "app/hold_requests.h"
#include "app/login_requests.h"
#include "app/permissions.h"
#include "app/policy_requests.h"
#include "app/record_requests.h"
#include "app/run_requests.h"
#include "app/status_requests.h"
#include "app/suspend_requests.h"
#include "base/json_writer.h"
#include "secrets/credential_check.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using nlohmann::json;

}  // namespace

Result<> Daemon::open_control() {
    auto server = control::Server::open(
        settings_.run / "control.sock", [this](std::uint64_t cgroup) { return redirect_->is_governed(cgroup); },
        handover_.take(Transport::tcp, {{}, 0, (settings_.run / "control.sock").string()}));
    if (!server) return std::unexpected(server.error());
    control_ = std::move(*server);
    const auto decide = [this] { return deciders(); };
    const auto durable = [this](const model::RecordDraft& draft) { return record(draft); };
    add_hold_requests(*control_, {*desk_, decide, durable, system_clock(),
                                  [this](const std::string& agent, const std::vector<std::string>& sets) {
                                      return suspensions_->why(agent, sets);
                                  }});
    add_grant_requests(*control_, {*desk_, decide, durable, system_clock(),
                                   [this](const std::string& grant, const std::string& by, const std::string& reason) {
                                       for (auto& worker : workers_) worker->end_under(grant, by, reason);
                                   }});
    add_suspend_requests(*control_,
                         {*suspensions_, decide, durable,
                          [this](const approve::Suspension& made) { notices_.put(notice_of(made)); }, system_clock()});
    add_status_requests(*control_, {[this] { return describe(); },
                                    [this](const std::string& session, const std::string& by, const std::string& reason) {
                                        return end_session(session, by, reason);
                                    },
                                    decide, durable});
    add_run_requests(
        *control_,
        {runs_.get(), [this](std::uint64_t cgroup) { return redirect_->is_governed(cgroup); },
         [this](std::string_view name, std::string_view runner) { return policies_.current()->may_run(name, runner); },
         [this](const model::Agent& agent, json& answer) { add_permissions(agent, answer); },
         [this](const std::string& file, uid_t reader) { return tokens_->try_file(file, reader); },
         [this](const kernel::RunStarted& run, const std::string& file, uid_t reader, TokenPointer token) {
             return tokens_->bind_file(run.cgroup_path, run.cgroup_id, file, reader, std::move(token));
         },
         [this](model::Agent& agent) { tokens_->describe(agent); },
         [this](pid_t process) { return networks_->prepare(process); }, [this] { return redirect_->detach(); }, durable});
    add_login_requests(*control_, {*issuers_, *tokens_,
                                   [this](const Peer& peer) { return agent_of_peer(runs_.get(), peer); }, system_clock()});
    add_govern_requests(*control_, {*redirect_, [this](pid_t process) { return networks_->prepare(process); }, durable});
    add_record_requests(*control_, {log_->folder(), [this] { return live_sessions(); }, decide, durable, system_clock()});
    add_reload_request();
    add_upgrade_request();
    if (auto result = add_console_requests(); !result) return result;
    control_->start();
    return {};
}

void Daemon::add_reload_request() {
    control_->handle("policy.reload", [this](const Peer& peer, const json&, const Emit&) -> Result<json> {
        if (peer.uid != 0 || peer.person.is_governed)
            return fail(Errc::denied, "only root reloads the policies, and no agent does");
        std::string members;
        JsonWriter(members)
            .member("what", "policy.reload")
            .member("person", peer.person.name)
            .member("uid", peer.uid)
            .member("login_uid", peer.person.login_uid);
        if (auto recorded = record({model::record_type::administered, {}, members, {}, true}); !recorded)
            return std::unexpected(recorded.error());
        if (auto reloaded = policies_.reload(peer.person.name); !reloaded) return std::unexpected(reloaded.error());
        return policies_.describe();
    });
}

std::vector<json> Daemon::live_sessions() const {
    std::vector<json> live;
    for (const auto& worker : workers_) {
        for (const auto& text : worker->describe_sessions()) live.push_back(json::parse(text, nullptr, false));
    }
    return live;
}

json Daemon::describe() const {
    json answer{{"pid", ::getpid()}, {"version", version}, {"since", to_rfc3339(started_)}};
    const auto policy = policies_.current();
    answer["observe"] = policy ? policy->observed(system_clock().wall()) : std::vector<std::string>();
    answer["policy"] = policies_.describe();
    answer["governed"] = redirect_->governed();
    answer["flows"] = flow_count();
    answer["sessions"] = flow_count();
    describe_people(answer);
    answer["records"] = json::parse("{" + log_->describe() + "}", nullptr, false);
    auto degradations = redirect_->degradations();
    degradations.insert(degradations.end(), lacks_.begin(), lacks_.end());
    auto accepted = redirect_->guard_lacks();
    if (!settings_.kernel.accepts_no_lsm) {
        degradations.insert(degradations.end(), accepted.begin(), accepted.end());
        accepted.clear();
    }
    if (!settings_.kernel.gates_new_cgroups)
        accepted.emplace_back(
            "new cgroups are governed some milliseconds after they appear: `kernel: {new_cgroups: watch}`");
    for (const auto& issuer : settings_.identity.issuers) {
        if (issuer.reviewers && issuer.reviewers->unix_claim.empty())
            accepted.push_back(
                fmt::format("who started an agent may approve for it with a token of {}, which does not say who "
                            "they are on this host: `unix_claim`",
                            issuer.issuer));
    }
    answer["degradations"] = degradations;
    answer["accepted"] = accepted;
    answer["credentials"] = policy ? secrets::unreadable_credentials(*policy) : std::vector<std::string>();
    answer["attempts"] = events_->describe_attempts();
    if (!failed_upgrade_.empty()) answer["failed_upgrade"] = failed_upgrade_;
    answer["sockets_before"] = events_->describe_earlier();
    answer["ports"] = ports_;
    answer["networks"] = networks_->count();
    answer["dns"] = lookups_->describe();
    answer["identity"] = issuers_->describe();
    answer["agent_tokens"] = tokens_->count();
    answer["notices"] = notices_.describe();
    answer["notices"]["is_wanted"] = settings_.notify.is_wanted;
    answer["ca"] = (settings_.state / "tls/ca.pem").string();
    return answer;
}

Result<std::string> Daemon::end_session(const std::string& session, const std::string& by, const std::string& reason) const {
    std::vector<std::pair<Worker*, std::string>> found;
    for (const auto& worker : workers_) {
        for (const auto& id : worker->session_ids()) {
            if (id.starts_with(session)) found.emplace_back(worker.get(), id);
        }
    }
    if (found.empty())
        return fail(Errc::not_found, fmt::format("no session '{}' is open; `assent sessions` lists them", session));
    if (found.size() > 1)
        return fail(Errc::invalid,
                    fmt::format("'{}' begins the ids of {} sessions; give more of it", session, found.size()));
    found.front().first->end_session(found.front().second, by, reason);
    return found.front().second;
}

void Daemon::add_permissions(const model::Agent& agent, json& answer) const {
    const auto policy = policies_.current();
    const auto sets = policy->agents_matching(agent);
    add_policy_permissions(*policy, sets, answer);
    answer["suspended"] = suspensions_->why(agent.name(), sets);
    answer["refusals"] = refusals_to_json(last_refusals_.of(agent.cgroup_id, agent.uid));
    json attempts = json::array();
    for (const json& one : events_->describe_attempts()) {
        if (one.value("cgroup_id", std::uint64_t{0}) == agent.cgroup_id) attempts.push_back(one);
    }
    answer["attempts"] = std::move(attempts);
}

}  // namespace assent::app

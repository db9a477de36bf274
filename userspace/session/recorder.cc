#include "session/recorder.h"

#include "base/json_writer.h"
#include "base/limits.h"

namespace assent::session {

bool Recorder::has_room() const noexcept {
    return is_clear() || (!is_available() && kept_.size_bytes() < limits::records_kept_of_refusals);
}

Result<model::RecordTicket> Recorder::append(std::string_view type, std::string_view members,
                                             std::span<const model::RecordBody> bodies, bool is_urgent) {
    if (!is_clear()) retry();
    // A log that takes nothing at all denies; a lane that is full for a moment is waited for.
    if (!is_clear()) return fail(is_available() ? Errc::limit : Errc::unavailable, "earlier records are waiting");
    return sink_.append({type, session_, members, bodies, is_urgent});
}

void Recorder::tell(std::string_view type, std::string_view members, std::span<const model::RecordBody> bodies) {
    if (append(type, members, bodies, false).has_value()) return;
    kept_.add({type, session_, members, bodies, false}, clock_.wall(), kept_.count() < limits::records_kept_with_bodies);
}

std::string token_json(const model::AgentToken& token) {
    std::string out = "{";
    JsonWriter writer(out);
    if (!token.issuer.empty()) writer.member("issuer", token.issuer).member("sub", token.subject);
    std::string actors;
    for (const auto& actor : token.actors) {
        actors += actors.empty() ? "{" : ",{";
        JsonWriter one(actors);
        if (!actor.issuer.empty()) one.member("iss", actor.issuer);
        one.member("sub", actor.subject);
        actors.push_back('}');
    }
    if (!actors.empty()) writer.raw("act", "[" + actors + "]");
    if (token.expires != WallTime{}) writer.member("expires", to_rfc3339(token.expires));
    if (!token.failure.empty()) writer.member("failure", token.failure);
    if (token.is_pending) writer.member("pending", true);
    out.push_back('}');
    return out;
}

std::string agent_json(const model::Agent& agent, const std::vector<std::string>& sets) {
    std::string out = "{";
    JsonWriter writer(out);
    writer.member("name", agent.name()).strings("sets", sets);
    if (!agent.unit.empty()) writer.member("unit", agent.unit);
    if (!agent.slice.empty()) writer.member("slice", agent.slice);
    if (!agent.run_name.empty()) writer.member("run_name", agent.run_name).member("runner", agent.runner);
    if (agent.runner_uid.has_value()) writer.member("runner_uid", *agent.runner_uid);
    if (!agent.purpose.empty()) writer.member("purpose", agent.purpose);
    writer.member("cgroup", agent.cgroup_path).member("cgroup_id", agent.cgroup_id);
    writer.member("pid", agent.pid).member("uid", agent.uid);
    if (agent.login_uid.has_value()) writer.member("login_uid", *agent.login_uid);
    writer.member("exe", agent.exe).member("comm", agent.comm).member("start_time_ns", agent.start_time_ns);
    if (agent.token != nullptr) writer.raw("token", token_json(*agent.token));
    if (agent.network != 0) writer.member("network", agent.network);
    out.push_back('}');
    return out;
}

}  // namespace assent::session

#include "app/record_requests.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "record/reader.h"
#include "record/replay.h"
#include "record/search.h"
#include "record/session_list.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using nlohmann::json;

constexpr std::size_t most_sessions = 10'000;
constexpr std::size_t most_matches = 100'000;

// A member of the request; empty when it is absent. Other types are the asker's mistake.
Result<std::string> text_of(const json& request, const char* key) {
    const auto found = request.find(key);
    if (found == request.end() || found->is_null()) return std::string();
    if (!found->is_string()) return fail(Errc::invalid, fmt::format("'{}' has to be a text", key));
    return found->get<std::string>();
}

Result<std::size_t> limit_of(const json& request, std::size_t standard, std::size_t most) {
    const auto found = request.find("limit");
    if (found == request.end() || found->is_null()) return standard;
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() == 0 || found->get<std::uint64_t>() > most) {
        return fail(Errc::invalid, fmt::format("'limit' has to be a number from 1 to {}", most));
    }
    return found->get<std::size_t>();
}

Result<std::optional<WallTime>> since_of(const json& request, WallTime now) {
    const auto text = text_of(request, "since");
    if (!text) return std::unexpected(text.error());
    if (text->empty()) return std::nullopt;
    const auto since = record::parse_time(*text, now);
    if (!since)
        return fail(Errc::invalid,
                    fmt::format("'{}' is no time: write 2026-11-22, 2026-11-22T14:29, or an age such as 12h or 7d", *text));
    return since;
}

// Records the look, or says why it may not be. `about` is what was looked at: members of the record.
Result<> record_look(const RecordRequests& deps, const Peer& peer, std::string_view what, std::string_view about) {
    const DecideLists decide = deps.decide();
    const bool may_look =
        !peer.person.is_governed && (peer.uid == 0 || approve::is_decider(peer.person, decide.users, decide.groups));
    if (!may_look)
        return fail(Errc::denied, "records are shown to root and to the people in `decide` of this host's settings");
    std::string members;
    JsonWriter(members)
        .member("what", what)
        .member("person", peer.person.name)
        .member("uid", peer.uid)
        .member("login_uid", peer.person.login_uid);
    if (!about.empty()) members.append(",").append(about);
    return deps.record({model::record_type::looked, {}, members, {}, true});
}

bool fits(const json& session, const char* key, const std::string& wanted) {
    return wanted.empty() ||
           (session.contains(key) && session[key].is_string() && session[key].get_ref<const std::string&>() == wanted);
}

json list_live(const RecordRequests& deps, const record::SessionFilter& filter, const Emit& emit) {
    std::size_t count = 0;
    for (const json& session : deps.live()) {
        if (!fits(session, "agent", filter.agent) || !fits(session, "target", filter.target)) continue;
        ++count;
        if (!emit({{"session", session}})) break;
    }
    return {{"count", count}, {"warnings", json::array()}};
}

Result<json> list(const RecordRequests& deps, const Peer& peer, const json& request, const Emit& emit) {
    record::SessionFilter filter;
    const auto since = since_of(request, deps.clock.wall());
    if (!since) return std::unexpected(since.error());
    const auto agent = text_of(request, "agent");
    if (!agent) return std::unexpected(agent.error());
    const auto target = text_of(request, "target");
    if (!target) return std::unexpected(target.error());
    const auto limit = limit_of(request, filter.limit, most_sessions);
    if (!limit) return std::unexpected(limit.error());
    filter = {*since, *agent, *target, *limit};
    const bool is_live = request.contains("live") && request["live"] == true;
    std::string about;
    JsonWriter(about).member("live", is_live).member("agent", *agent).member("target", *target);
    if (auto looked = record_look(deps, peer, "sessions", about); !looked) return std::unexpected(looked.error());
    if (is_live) return list_live(deps, filter, emit);
    auto found = record::list_sessions(deps.folder, filter);
    if (!found) return std::unexpected(found.error());
    for (const json& session : found->sessions) {
        if (!emit({{"session", session}})) break;
    }
    return json{{"count", found->sessions.size()}, {"warnings", found->warnings}};
}

Result<json> replay(const RecordRequests& deps, const Peer& peer, const json& request, const Emit& emit) {
    const auto asked = text_of(request, "session");
    if (!asked) return std::unexpected(asked.error());
    if (asked->empty()) return fail(Errc::invalid, "say which session: `assent sessions` lists them");
    std::string about;
    JsonWriter(about).member("asked_for", *asked);
    // Before it is looked for: a try that finds nothing is a look too.
    if (auto looked = record_look(deps, peer, "replay", about); !looked) return std::unexpected(looked.error());
    const auto session = record::find_session(deps.folder, *asked);
    if (!session) return std::unexpected(session.error());
    const auto replayed = record::replay_session(deps.folder, *session, [&emit](const json& event) {
        return emit({{"event", event}});
    });
    if (!replayed) return std::unexpected(replayed.error());
    return json{{"session", *session}};
}

Result<json> search(const RecordRequests& deps, const Peer& peer, const json& request, const Emit& emit) {
    record::SearchFilter filter;
    const auto text = text_of(request, "text");
    if (!text) return std::unexpected(text.error());
    const auto since = since_of(request, deps.clock.wall());
    if (!since) return std::unexpected(since.error());
    const auto session = text_of(request, "session");
    if (!session) return std::unexpected(session.error());
    const auto agent = text_of(request, "agent");
    if (!agent) return std::unexpected(agent.error());
    const auto limit = limit_of(request, filter.limit, most_matches);
    if (!limit) return std::unexpected(limit.error());
    filter = {*text, *since, *session, *agent, *limit};
    std::string about;
    JsonWriter(about).member("text", *text).member("in_session", *session).member("agent", *agent);
    if (auto looked = record_look(deps, peer, "search", about); !looked) return std::unexpected(looked.error());
    const auto found = record::search_records(deps.folder, filter, [&emit](const json& match) {
        return emit({{"match", match}});
    });
    if (!found) return std::unexpected(found.error());
    return json{{"count", found->matches}, {"is_cut", found->is_cut}, {"warnings", found->warnings}};
}

}  // namespace

void add_record_requests(control::Server& server, RecordRequests deps) {
    const auto shared = std::make_shared<const RecordRequests>(std::move(deps));
    using Answer = Result<json> (*)(const RecordRequests&, const Peer&, const json&, const Emit&);
    for (const auto& [verb, answer] :
         {std::pair<const char*, Answer>{"sessions", list}, {"replay", replay}, {"search", search}}) {
        server.handle(verb, [shared, answer = answer](const Peer& peer, const json& request, const Emit& emit) {
            return answer(*shared, peer, request, emit);
        });
    }
}

}  // namespace assent::app

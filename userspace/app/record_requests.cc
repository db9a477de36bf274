#include "app/record_requests.h"

#include <memory>
#include <thread>

#include <fmt/format.h>

#include "app/view_rights.h"
#include "base/json_writer.h"
#include "record/filters.h"
#include "record/replay.h"
#include "record/search.h"
#include "record/session_list.h"

namespace assent::app {
namespace {

using control::Emit;
using control::Peer;
using nlohmann::json;

constexpr auto follow_every = std::chrono::milliseconds(250);  // for what a followed session did since

// Records the look, or says why it may not be. `about` is what was looked at: members of the record.
Result<> record_look(const RecordRequests& deps, const Peer& peer, std::string_view what, std::string_view about) {
    if (!may_view(peer, deps.decide()))
        return fail(Errc::denied,
                    "records are shown to root and to the people in `decide` and `view` of this host's settings");
    return app::record_look(deps.record, peer, what, about);
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
    const auto filter = record::session_filter(request, deps.clock.wall());
    if (!filter) return std::unexpected(filter.error());
    const bool is_live = request.contains("live") && request["live"] == true;
    std::string about;
    JsonWriter(about).member("live", is_live).member("agent", filter->agent).member("target", filter->target);
    if (auto looked = record_look(deps, peer, "sessions", about); !looked) return std::unexpected(looked.error());
    if (is_live) return list_live(deps, *filter, emit);
    auto found = record::list_sessions(deps.folder, *filter);
    if (!found) return std::unexpected(found.error());
    for (const json& session : found->sessions) {
        if (!emit({{"session", session}})) break;
    }
    return json{{"count", found->sessions.size()}, {"warnings", found->warnings}};
}

Result<json> replay(const RecordRequests& deps, const Peer& peer, const json& request, const Emit& emit) {
    const auto asked = record::text_member(request, "session");
    if (!asked) return std::unexpected(asked.error());
    if (asked->empty()) return fail(Errc::invalid, "say which session: `assent sessions` lists them");
    std::string about;
    JsonWriter(about).member("asked_for", *asked);
    // Before it is looked for: a try that finds nothing is a look too.
    if (auto looked = record_look(deps, peer, "replay", about); !looked) return std::unexpected(looked.error());
    const auto session = record::find_session(deps.folder, *asked);
    if (!session) return std::unexpected(session.error());
    const bool is_followed = request.contains("follow") && request["follow"] == true;
    const auto wait = [&emit] {
        std::this_thread::sleep_for(follow_every);
        return emit(json());  // the client may have left
    };
    const auto replayed = record::replay_session(
        deps.folder, *session,
        [&emit](const json& event) {
            return emit({{"event", event}});
        },
        is_followed ? std::function<bool()>(wait) : std::function<bool()>());
    if (!replayed) return std::unexpected(replayed.error());
    return json{{"session", *session}};
}

Result<json> search(const RecordRequests& deps, const Peer& peer, const json& request, const Emit& emit) {
    const auto filter = record::search_filter(request, deps.clock.wall());
    if (!filter) return std::unexpected(filter.error());
    std::string about;
    JsonWriter(about).member("text", filter->text).member("in_session", filter->session).member("agent", filter->agent);
    if (auto looked = record_look(deps, peer, "search", about); !looked) return std::unexpected(looked.error());
    const auto found = record::search_records(deps.folder, *filter, [&emit](const json& match) {
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
        server.handle(verb, [shared, reply = answer](const Peer& peer, const json& request, const Emit& emit) {
            return reply(*shared, peer, request, emit);
        });
    }
}

}  // namespace assent::app

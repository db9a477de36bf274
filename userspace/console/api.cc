#include "console/api.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/json_depth.h"
#include "base/limits.h"
#include "control/client.h"
#include "control/protocol.h"

namespace assent::console {

using nlohmann::json;

struct Api::Route {
    std::string_view method;
    std::string_view pattern;  // "holds/{id}/approve"
    Response (Api::*handler)(const Call&);
};

const Api::Route Api::routes[] = {{"GET", "me", &Api::me},
                                  {"GET", "holds", &Api::list_holds},
                                  {"GET", "holds/events", &Api::watch_holds},
                                  {"GET", "holds/{id}", &Api::show_hold},
                                  {"POST", "holds/{id}/approve", &Api::approve},
                                  {"POST", "holds/{id}/deny", &Api::deny},
                                  {"GET", "approvals", &Api::list_approvals},
                                  {"POST", "approvals/{id}/revoke", &Api::revoke},
                                  {"POST", "approvals/{id}/review", &Api::review},
                                  {"POST", "suspend", &Api::suspend},
                                  {"POST", "resume", &Api::resume},
                                  {"GET", "sessions", &Api::list_sessions},
                                  {"GET", "sessions/{id}", &Api::replay},
                                  {"GET", "sessions/{id}/events", &Api::follow},
                                  {"POST", "sessions/{id}/end", &Api::end_session},
                                  {"GET", "search", &Api::search},
                                  {"GET", "policy", &Api::show_policy},
                                  {"POST", "explain", &Api::explain},
                                  {"GET", "status", &Api::status}};

namespace {

constexpr std::size_t longest_id = 64;
constexpr std::size_t longest_text = 1'000;  // of a query's value

bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= longest_id &&
           std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::vector<std::string_view> parts_of(std::string_view path) {
    std::vector<std::string_view> parts;
    while (true) {
        const auto end = path.find('/');
        parts.push_back(path.substr(0, end));
        if (end == std::string_view::npos || parts.size() > 8) return parts;
        path.remove_prefix(end + 1);
    }
}

// Nothing when it does not fit; else what stands for {id}.
std::optional<std::string> fit(std::string_view pattern, std::string_view place) {
    const auto wanted = parts_of(pattern);
    const auto given = parts_of(place);
    if (wanted.size() != given.size()) return std::nullopt;
    std::string id;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == "{id}" && is_id(given[i]))
            id = given[i];
        else if (wanted[i] != given[i])
            return std::nullopt;
    }
    return id;
}

int status_of(Errc code) {
    switch (code) {
        case Errc::denied:
            return 403;
        case Errc::not_found:
            return 404;
        case Errc::invalid:
        case Errc::malformed:
            return 400;
        case Errc::limit:
            return 413;
        case Errc::unsupported:
            return 501;
        case Errc::unavailable:
            return 503;
        default:
            return 500;
    }
}

// The members of the query that the verb takes, as texts; a number for `limit`.
Result<json> with_query(const Request& request, json asked, std::initializer_list<std::string_view> members) {
    for (const std::string_view member : members) {
        const std::string_view value = request.asked(member);
        if (value.empty()) continue;
        if (value.size() > longest_text) return fail(Errc::limit, fmt::format("'{}' is too long", member));
        asked[std::string(member)] = value;
    }
    if (const auto limit = request.asked("limit"); !limit.empty()) {
        std::uint32_t number = 0;
        const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), number);
        if (error != std::errc() || end != limit.data() + limit.size() || number == 0)
            return fail(Errc::invalid, "'limit' is a number from 1 on");
        asked["limit"] = std::min<std::size_t>(number, limits::console_listed);
    }
    return asked;
}

Result<json> object_of(const Request& request) {
    if (request.header("content-type") != "application/json")
        return fail(Errc::invalid, "the content type has to be application/json");
    if (json_depth(request.body) > limits::control_depth) return fail(Errc::limit, "the JSON is nested too deeply");
    json body = json::parse(request.body, nullptr, false);
    if (!body.is_object()) return fail(Errc::invalid, "the body has to be a JSON object");
    return body;
}

Result<std::string> text_of(const json& body, const char* member, bool is_required) {
    const auto found = body.find(member);
    if (found == body.end() && !is_required) return std::string();
    if (found == body.end() || !found->is_string()) return fail(Errc::invalid, fmt::format("'{}' has to be a text", member));
    return found->get<std::string>();
}

}  // namespace

Response json_response(int status, const json& value) {
    Response response;
    response.status = status;
    response.body = value.dump(-1, ' ', false, json::error_handler_t::replace);
    return response;
}

Response error_response(int status, std::string_view code, std::string_view message) {
    return json_response(status, {{"error", {{"code", code}, {"message", message}}}});
}

Response error_response(const Error& error) {
    return error_response(status_of(error.code), control::name_of(error.code), error.message);
}

Response Api::answer(const Request& request, std::string_view place, const Caller& caller) {
    bool is_known = false;
    for (const Route& route : routes) {
        auto id = fit(route.pattern, place);
        if (!id) continue;
        is_known = true;
        if (route.method != request.method) continue;
        Call call{request, caller, std::move(*id), json::object()};
        if (request.method == "POST") {
            auto body = object_of(request);
            if (!body) return error_response(body.error());
            call.body = std::move(*body);
        }
        return (this->*route.handler)(call);
    }
    if (is_known) return error_response(405, "invalid", "this is not asked so");
    return error_response(404, "not_found", "there is nothing of this name in version 1 of the API");
}

Result<json> Api::who_is(const std::string& token) const {
    return control::ask(socket_, {{"verb", "me"}, {"token", token}});
}

Response Api::pass_on(const Call& call, json request) const {
    request["token"] = call.caller.token;
    auto answer = control::ask(socket_, request);
    return answer ? json_response(200, *answer) : error_response(answer.error());
}

Response Api::collect(const Call& call, json request, const char* member, const char* list, std::size_t most) const {
    request["token"] = call.caller.token;
    json found = json::array();
    bool is_cut = false;
    auto answer = control::ask(socket_, request, [&](const json& line) {
        if (!line.is_object() || !line.contains(member)) return true;
        is_cut = found.size() >= most;
        if (!is_cut) found.push_back(line[member]);
        return !is_cut;
    });
    if (!answer) return error_response(answer.error());
    json out = answer->is_object() ? std::move(*answer) : json::object();
    out[list] = std::move(found);
    out["is_cut"] = is_cut || out.value("is_cut", false);
    out["count"] = out[list].size();
    return json_response(200, out);
}

Response Api::me(const Call& call) {
    auto answer = who_is(call.caller.token);
    if (!answer) return error_response(answer.error());
    if (!call.caller.csrf.empty()) (*answer)["csrf"] = call.caller.csrf;
    if (!call.caller.expires.empty()) (*answer)["expires"] = call.caller.expires;
    return json_response(200, *answer);
}

Response Api::list_holds(const Call& call) {
    const std::string_view state = call.request.asked("state");
    if (!state.empty() && state != "waiting" && state != "all")
        return error_response(400, "invalid", "'state' is waiting or all");
    return collect(call, {{"verb", "holds"}, {"brief", true}, {"all", state == "all"}}, "hold", "holds",
                   limits::console_listed);
}

Response Api::show_hold(const Call& call) { return pass_on(call, {{"verb", "hold"}, {"id", call.id}}); }

Response Api::decide(const Call& call, const char* verb) {
    // The daemon would take the beginning of an id as well; a decision is for what was looked at.
    constexpr std::size_t whole_id = 8;
    if (call.id.size() < whole_id) return error_response(400, "invalid", "a decision names the whole id of its hold");
    const auto reason = text_of(call.body, "reason", false);
    if (!reason) return error_response(reason.error());
    json request{{"verb", verb}, {"id", call.id}, {"reason", *reason}};
    if (auto widened = add_widening(call, request); !widened) return error_response(widened.error());
    return pass_on(call, std::move(request));
}

Result<> Api::add_widening(const Call& call, json& request) const {
    bool is_wider = false;
    for (const char* member : {"shape", "most_released", "is_trial"}) {
        if (!call.body.contains(member)) continue;
        request[member] = call.body[member];
        is_wider = true;
    }
    if (!is_wider) return {};
    if (request["verb"] != "approve") return fail(Errc::invalid, "only an approval can be widened");
    const auto hold = control::ask(socket_, {{"verb", "hold"}, {"id", call.id}, {"token", call.caller.token}});
    if (!hold) return std::unexpected(hold.error());
    if (!hold->contains("shape")) return fail(Errc::unsupported, "this assentd knows no widened approvals");
    return {};
}

Response Api::list_approvals(const Call& call) {
    return collect(call, {{"verb", "approvals"}, {"all", call.request.asked("state") == "all"}}, "approval", "approvals",
                   limits::console_listed);
}

Response Api::revoke(const Call& call) { return with_reason(call, {{"verb", "revoke"}, {"id", call.id}}); }

Response Api::review(const Call& call) { return with_reason(call, {{"verb", "review"}, {"id", call.id}}); }

Response Api::suspend(const Call& call) { return of_agent(call, "suspend"); }

Response Api::resume(const Call& call) { return of_agent(call, "resume"); }

Response Api::of_agent(const Call& call, const char* verb) {
    auto agent = text_of(call.body, "agent", true);
    if (!agent) return error_response(agent.error());
    return with_reason(call, {{"verb", verb}, {"agent", std::move(*agent)}});
}

Response Api::with_reason(const Call& call, json request) const {
    auto reason = text_of(call.body, "reason", false);
    if (!reason) return error_response(reason.error());
    request["reason"] = std::move(*reason);
    return pass_on(call, std::move(request));
}

Response Api::approve(const Call& call) { return decide(call, "approve"); }

Response Api::deny(const Call& call) { return decide(call, "deny"); }

Response Api::list_sessions(const Call& call) {
    json asked{{"verb", "sessions"}, {"live", call.request.asked("live") == "true"}};
    auto request = with_query(call.request, std::move(asked), {"agent", "target", "verdict", "since", "until"});
    if (!request) return error_response(request.error());
    return collect(call, std::move(*request), "session", "sessions", limits::console_listed);
}

Response Api::replay(const Call& call) {
    return collect(call, {{"verb", "replay"}, {"session", call.id}}, "event", "events", limits::console_replay);
}

Response Api::end_session(const Call& call) { return with_reason(call, {{"verb", "end"}, {"session", call.id}}); }

Response Api::search(const Call& call) {
    auto request = with_query(call.request, {{"verb", "search"}, {"limit", limits::console_listed}},
                              {"text", "agent", "target", "verdict", "since", "until", "session"});
    if (!request) return error_response(request.error());
    return collect(call, std::move(*request), "match", "matches", limits::console_listed);
}

Response Api::show_policy(const Call& call) { return pass_on(call, {{"verb", "policy.show"}}); }

Response Api::explain(const Call& call) {
    json asked{{"verb", "explain"}};
    for (const auto& [member, is_required] :
         {std::pair{"agent", true}, std::pair{"target", true}, std::pair{"sql", true}, std::pair{"database", false}}) {
        auto text = text_of(call.body, member, is_required);
        if (!text) return error_response(text.error());
        asked[member] = std::move(*text);
    }
    return pass_on(call, std::move(asked));
}

Response Api::status(const Call& call) { return pass_on(call, {{"verb", "status"}}); }

}  // namespace assent::console

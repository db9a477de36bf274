#include "console/console.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "control/protocol.h"

namespace assent::console {
namespace {

using nlohmann::json;

constexpr std::string_view session_cookie = "__Host-assent-session";
constexpr std::string_view sign_in_cookie = "__Host-assent-sign-in";
constexpr std::string_view api_prefix = "/api/v1/";
constexpr std::size_t longest_answer_of_provider = 2'000;

// Nothing but the application's own files, nothing in line, and in nobody's frame.
constexpr std::string_view content_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'";

void add_security_headers(Response& response) {
    const bool is_kept =
        std::ranges::any_of(response.headers, [](const auto& each) { return each.first == "Cache-Control"; });
    if (!is_kept) response.headers.emplace_back("Cache-Control", "no-store");
    for (const auto& [name, value] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
             {"Content-Security-Policy", content_policy},
             {"Strict-Transport-Security", "max-age=31536000"},
             {"X-Content-Type-Options", "nosniff"},
             {"X-Frame-Options", "DENY"},
             {"Referrer-Policy", "same-origin"},
             {"Cross-Origin-Opener-Policy", "same-origin"},
             {"Cross-Origin-Resource-Policy", "same-origin"},
             {"Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"}}) {
        response.headers.emplace_back(name, value);
    }
}

Response redirect(std::string place) {
    Response response;
    response.status = 303;
    response.type = "text/plain; charset=utf-8";
    response.headers.emplace_back("Location", std::move(place));
    return response;
}

void set_cookie(Response& response, std::string_view name, std::string_view value, std::string_view rest) {
    response.headers.emplace_back(
        "Set-Cookie", std::string(name) + "=" + std::string(value) + "; Path=/; Secure; HttpOnly; " + std::string(rest));
}

// Takes as long whatever differs.
bool is_same(std::string_view left, std::string_view right) {
    return sha256(as_bytes(left)) == sha256(as_bytes(right)) && !left.empty();
}

bool is_random_id(std::string_view text) {
    return text.size() == 64 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// What the application says of a sign-in that failed, by a word that it knows.
Response failed_sign_in(const Error& error) {
    spdlog::info("a sign-in failed: {}", shown_text(error.message));
    const std::string_view why = error.code == Errc::not_found     ? "expired"
                                 : error.code == Errc::unavailable ? "unavailable"
                                                                   : "denied";
    return redirect("/?sign-in=" + std::string(why));
}

}  // namespace

Console::Console(const Clock& clock, ConsoleOptions options)
    : clock_(clock),
      options_(std::move(options)),
      host_(options_.public_url.substr(options_.public_url.find("//") + 2)),
      sessions_(clock, options_.idle, options_.longest),
      sign_in_(clock, options_.public_url, options_.providers),
      api_(options_.socket),
      requests_(clock, limits::console_requests_per_second, limits::console_requests_at_once, limits::console_addresses),
      addresses_(clock, 5.0 * limits::console_requests_per_second, 5.0 * limits::console_requests_at_once,
                 limits::console_addresses),
      sign_ins_(clock, limits::console_sign_ins_per_minute / 60.0, limits::console_sign_ins_per_minute,
                limits::console_addresses) {}

Response Console::handle(const Request& request) {
    Response response = route(request);
    add_security_headers(response);
    return response;
}

Response Console::route(const Request& request) {
    // Another name for this address would be another origin, under somebody else's control (DNS rebinding).
    if (request.header("host") != host_)
        return error_response(421, "denied", "this console is at " + options_.public_url + " and answers to no other name");
    if (!addresses_.take(request.address)) return error_response(429, "limit", "too many requests; slow down");
    if (request.path == "/sign-in" && request.method == "GET") return sign_in(request);
    if (request.path == "/sign-in/done" && request.method == "GET") return sign_in_done(request);
    if (request.path == "/sign-out" && request.method == "POST") return sign_out(request);
    if (request.path.starts_with(api_prefix)) return api(request, std::string_view(request.path).substr(api_prefix.size()));
    if (request.method != "GET" && request.method != "HEAD") return error_response(405, "invalid", "this is not asked so");
    return asset(request);
}

Response Console::asset(const Request& request) const {
    const auto find = [&](std::string_view path) { return std::ranges::find(options_.assets, path, &Asset::path); };
    auto found = find(request.path);
    const bool is_place = request.path.find('.') == std::string::npos;
    if (found == options_.assets.end() && is_place) found = find("/index.html");
    if (found == options_.assets.end()) return error_response(404, "not_found", "there is no such file");
    Response response;
    response.type = found->type;
    response.body = found->bytes;
    // Their names change with what is in them.
    if (found->path.starts_with("/assets/"))
        response.headers.emplace_back("Cache-Control", "public, max-age=31536000, immutable");
    else
        response.headers.emplace_back("Cache-Control", "no-cache");
    return response;
}

Response Console::sign_in(const Request& request) {
    if (!sign_ins_.take(request.address)) return error_response(429, "limit", "too many sign-ins; wait a minute");
    const auto asked = request.asked("provider");
    const std::size_t provider =
        asked.size() == 1 && asked[0] >= '0' && asked[0] <= '9' ? static_cast<std::size_t>(asked[0] - '0') : 0;
    // The same browser may sign in in two windows.
    const std::string_view known = request.cookie(sign_in_cookie);
    const std::string browser = is_random_id(known) ? std::string(known) : random_id();
    auto url = sign_in_.begin(provider, browser, request.asked("return"));
    if (!url) return failed_sign_in(url.error());
    Response response = redirect(std::move(*url));
    // Lax: the provider sends the browser back from another site.
    set_cookie(response, sign_in_cookie, browser, "SameSite=Lax; Max-Age=600");
    return response;
}

Response Console::sign_in_done(const Request& request) {
    if (!sign_ins_.take(request.address)) return error_response(429, "limit", "too many sign-ins; wait a minute");
    if (request.asked("code").size() > longest_answer_of_provider)
        return error_response(400, "limit", "the code is too long");
    auto signed_in =
        sign_in_.finish(request.cookie(sign_in_cookie), request.asked("state"), request.asked("code"), request.asked("iss"));
    if (!signed_in) return failed_sign_in(signed_in.error());
    // The daemon has the last word on whether it knows this person.
    if (const auto who = api_.who_is(signed_in->login.token); !who) {
        if (who.error().code == Errc::unavailable) spdlog::warn("{}", shown_text(who.error().message));
        return who.error().code == Errc::unavailable ? redirect("/?sign-in=daemon") : failed_sign_in(who.error());
    }
    if (const auto before = request.cookie(session_cookie); !before.empty()) sessions_.end(before);
    const std::string id = sessions_.open(std::move(signed_in->login), std::move(signed_in->person));
    Response response = redirect(place_within(signed_in->return_to));
    // Strict: every request that needs it comes from the application, also after a link from elsewhere has opened it.
    set_cookie(response, session_cookie, id, "SameSite=Strict");
    set_cookie(response, sign_in_cookie, "", "SameSite=Lax; Max-Age=0");
    return response;
}

bool Console::is_own(const Request& request, const Session& session) const {
    const auto site = request.header("sec-fetch-site");
    if (!site.empty() && site != "same-origin" && site != "none") return false;
    if (request.method == "GET") return true;
    return request.header("origin") == options_.public_url && is_same(request.header("x-assent-csrf"), session.csrf);
}

Response Console::sign_out(const Request& request) {
    const auto id = request.cookie(session_cookie);
    const auto session = sessions_.use(id);
    if (session && !is_own(request, *session))
        return error_response(403, "denied", "this request is not the application's own");
    sessions_.end(id);
    Response response = json_response(200, json::object());
    set_cookie(response, session_cookie, "", "SameSite=Strict; Max-Age=0");
    return response;
}

Response Console::providers() const {
    json list = json::array();
    for (std::size_t i = 0; i < sign_in_.providers().size(); ++i)
        list.push_back({{"number", i}, {"issuer", sign_in_.providers()[i].provider->issuer()}});
    return json_response(200, {{"providers", list}});
}

Result<> Console::keep_signed_in(const std::string& id, Session& session) {
    if (sessions_.begin_renewal(id)) return renew(id, session);
    if (clock_.wall() < session.login.expires) return {};
    // Another request is at it, or the provider did not answer just now.
    auto latest = sessions_.await_renewal(id);
    if (!latest) return fail(Errc::denied, "sign in first");
    session = std::move(*latest);
    if (clock_.wall() < session.login.expires) return {};
    return fail(Errc::unavailable, "the identity provider does not answer; try again in some seconds");
}

Result<> Console::renew(const std::string& id, Session& session) {
    const auto renewed = sign_in_.renew(session.login, session.person);
    if (!renewed) spdlog::info("a session could not be renewed: {}", shown_text(renewed.error().message));
    if (!renewed && renewed.error().code == Errc::denied) {
        sessions_.end(id);
        return fail(Errc::denied, "the identity provider has ended this session; sign in again");
    }
    // Somebody may have signed out meanwhile.
    if (!sessions_.end_renewal(id, session.login, renewed.has_value())) return fail(Errc::denied, "sign in first");
    // What it gave before is good until it expires.
    if (clock_.wall() < session.login.expires) return {};
    return fail(Errc::unavailable, "the identity provider does not answer; try again in some seconds");
}

Response Console::api(const Request& request, std::string_view place) {
    if (request.method == "GET" && place == "openapi.json") {
        Response response;
        response.body = options_.openapi;
        return response;
    }
    if (request.method == "GET" && place == "providers") return providers();
    const std::string_view authorization = request.header("authorization");
    constexpr std::string_view scheme = "Bearer assent_";
    Caller caller;
    if (authorization.starts_with(scheme)) {
        caller.token = authorization.substr(scheme.size() - std::string_view("assent_").size());
        caller.key = to_hex(sha256(as_bytes(caller.token)));
        caller.is_here = [] { return true; };
        if (!requests_.take(caller.key)) return error_response(429, "limit", "too many requests; slow down");
    } else {
        const std::string id(request.cookie(session_cookie));
        // What the application asks by itself keeps nobody signed in; browsers open streams again by themselves.
        const bool is_background =
            request.method == "GET" && (request.header("x-assent-background") == "1" || place.ends_with("/events"));
        auto session = is_background ? sessions_.look(id) : sessions_.use(id);
        if (!session) return error_response(401, "denied", "sign in first");
        if (!is_own(request, *session)) return error_response(403, "denied", "this request is not the application's own");
        caller.key = to_hex(sha256(as_bytes(id)));
        if (!requests_.take(caller.key)) return error_response(429, "limit", "too many requests; slow down");
        if (auto kept = keep_signed_in(id, *session); !kept)
            return error_response(kept.error().code == Errc::unavailable ? 503 : 401, control::name_of(kept.error().code),
                                  kept.error().message);
        caller.token = session->login.token;
        caller.token_expires = session->login.expires;
        caller.is_here = [this, id] { return sessions_.is_open(id); };
        caller.csrf = session->csrf;
        caller.expires = to_rfc3339(session->ends);
    }
    return api_.answer(request, place, caller);
}

}  // namespace assent::console

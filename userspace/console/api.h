// The HTTP API, version 1: each route is a verb of the daemon's control socket, asked with the caller's own token, so that
// the daemon decides who may do what. The routes are described by openapi.json. Thread: any.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/time.h"
#include "console/exchange.h"

namespace assent::console {

// Who asks: known by a session's cookie or by a token for automation.
struct Caller {
    std::string token;  // for the daemon
    WallTime token_expires = WallTime::max();
    std::string key;                // for counting: one a session or token
    std::function<bool()> is_here;  // still signed in; asked while a stream runs
    std::string csrf;               // of a session; empty otherwise
    std::string expires;            // RFC 3339; empty: not known
};

[[nodiscard]] Response json_response(int status, const nlohmann::json& value);
// {"error": {"code", "message"}} with the status that fits.
[[nodiscard]] Response error_response(const Error& error);
[[nodiscard]] Response error_response(int status, std::string_view code, std::string_view message);

class Api {
public:
    // `socket`: the daemon's.
    explicit Api(std::filesystem::path socket) : socket_(std::move(socket)) {}
    // `place` is the path below /api/v1/. The caller was let in, and a request that changes something was checked.
    [[nodiscard]] Response answer(const Request& request, std::string_view place, const Caller& caller);
    // What the daemon says of the person of a token; Errc::denied when it does not know them.
    [[nodiscard]] Result<nlohmann::json> who_is(const std::string& token) const;

private:
    struct Call {
        const Request& request;
        const Caller& caller;
        std::string id;       // what stands for {id} in the route
        nlohmann::json body;  // of a POST: an object
    };
    struct Route;
    static const Route routes[];

    [[nodiscard]] Response me(const Call& call);
    [[nodiscard]] Response list_holds(const Call& call);
    [[nodiscard]] Response show_hold(const Call& call);
    [[nodiscard]] Response approve(const Call& call);
    [[nodiscard]] Response deny(const Call& call);
    [[nodiscard]] Response watch_holds(const Call& call);
    [[nodiscard]] Response list_sessions(const Call& call);
    [[nodiscard]] Response replay(const Call& call);
    [[nodiscard]] Response follow(const Call& call);
    [[nodiscard]] Response end_session(const Call& call);
    [[nodiscard]] Response search(const Call& call);
    [[nodiscard]] Response show_policy(const Call& call);
    [[nodiscard]] Response explain(const Call& call);
    [[nodiscard]] Response status(const Call& call);

    [[nodiscard]] Response list_approvals(const Call& call);
    [[nodiscard]] Response revoke(const Call& call);
    [[nodiscard]] Response review(const Call& call);
    [[nodiscard]] Response suspend(const Call& call);
    [[nodiscard]] Response resume(const Call& call);
    [[nodiscard]] Response of_agent(const Call& call, const char* verb);
    [[nodiscard]] Response decide(const Call& call, const char* verb);
    // What an approval may say beside its reason: whom else it lets through. A daemon that does not know of it would approve
    // what it was only asked about, so it is asked first.
    [[nodiscard]] Result<> add_widening(const Call& call, nlohmann::json& request) const;
    // With the body's `reason`, which may be missing.
    [[nodiscard]] Response with_reason(const Call& call, nlohmann::json request) const;
    // The daemon's answer as it is.
    [[nodiscard]] Response pass_on(const Call& call, nlohmann::json request) const;
    // {LIST: […], "is_cut", and the members of the daemon's answer}: of its lines {"MEMBER": …}, `most` of them.
    [[nodiscard]] Response collect(const Call& call, nlohmann::json request, const char* member, const char* list,
                                   std::size_t most) const;
    // Server-sent events of the daemon's lines. `event_of` gives the name and the data of each; an empty name leaves it out.
    using EventOf = std::function<std::pair<std::string, nlohmann::json>(const nlohmann::json&)>;
    [[nodiscard]] Response stream(const Call& call, nlohmann::json request, EventOf event_of);
    void run_stream(const Caller& caller, const nlohmann::json& request, const EventOf& event_of, const Send& send) const;

    std::filesystem::path socket_;
    std::mutex mutex_;
    std::map<std::string, std::size_t> streams_;  // of each caller
    std::size_t stream_count_ = 0;
};

}  // namespace assent::console

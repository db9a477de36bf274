// The routes of the API that go on: server-sent events.
#include <fmt/format.h>

#include "base/limits.h"
#include "base/time.h"
#include "console/api.h"
#include "control/client.h"

namespace assent::console {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds look_every(1000);  // whether the browser and the person are still there

// JSON has no line feeds, so it is one line of data.
std::string event_text(std::string_view name, const json& data) {
    return fmt::format("event: {}\ndata: {}\n\n", name, data.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace

void Api::run_stream(const Caller& caller, const json& request, const EventOf& event_of, const Send& send) const {
    auto lines = control::Stream::open(socket_, request);
    if (!lines) {
        static_cast<void>(send(event_text("failed", {{"message", lines.error().message}})));
        return;
    }
    // How long a browser waits before it comes back, in milliseconds.
    if (!send("retry: 2000\n\n")) return;
    Moment last_sent = std::chrono::steady_clock::now();
    while (true) {
        if (!caller.is_here()) {
            static_cast<void>(send(event_text("signed-out", json::object())));
            return;
        }
        // The daemon knew the person by this token; by the next one they may be in other groups.
        if (system_clock().wall() >= caller.token_expires) {
            static_cast<void>(send(event_text("again", json::object())));
            return;
        }
        auto line = lines->next(look_every);
        if (!line) {
            const bool is_end = line.error().code == Errc::not_found;
            static_cast<void>(send(event_text(is_end ? "end" : "failed", {{"message", line.error().message}})));
            return;
        }
        std::string text;
        if (*line) {
            const auto [name, data] = event_of(**line);
            if (!name.empty()) text = event_text(name, data);
        }
        if (text.empty() && std::chrono::steady_clock::now() - last_sent > limits::console_heartbeat)
            text = ": still here\n\n";
        // Sends nothing, and tells whether there is anybody to send to.
        if (text.empty() && !send({})) return;
        if (text.empty()) continue;
        if (!send(text)) return;
        last_sent = std::chrono::steady_clock::now();
    }
}

Response Api::stream(const Call& call, json request, EventOf event_of) {
    {
        const std::scoped_lock lock(mutex_);
        std::size_t& own = streams_[call.caller.key];
        if (own >= limits::console_streams_per_session || stream_count_ >= limits::console_streams) {
            if (own == 0) streams_.erase(call.caller.key);
            return error_response(503, "unavailable", "too many are watching; close another window, or try again later");
        }
        ++own;
        ++stream_count_;
    }
    // Given back when the last copy of the response goes, whether it was run or not.
    const std::shared_ptr<void> place(nullptr, [this, key = call.caller.key](void*) {
        const std::scoped_lock lock(mutex_);
        --stream_count_;
        if (--streams_[key] == 0) streams_.erase(key);
    });
    request["token"] = call.caller.token;
    Response response;
    response.type = "text/event-stream";
    response.stream = [this, place, caller = call.caller, request = std::move(request),
                       event_of = std::move(event_of)](const Send& send) { run_stream(caller, request, event_of, send); };
    return response;
}

Response Api::watch_holds(const Call& call) {
    return stream(call, {{"verb", "holds"}, {"watch", true}, {"brief", true}}, [](const json& line) {
        if (line.value("event", "") == "listed") return std::pair<std::string, json>("listed", {{"count", line["count"]}});
        return std::pair<std::string, json>("hold", line);
    });
}

Response Api::follow(const Call& call) {
    return stream(call, {{"verb", "replay"}, {"session", call.id}, {"follow", true}}, [](const json& line) {
        if (!line.is_object() || !line.contains("event")) return std::pair<std::string, json>();
        return std::pair<std::string, json>("record", line["event"]);
    });
}

}  // namespace assent::console

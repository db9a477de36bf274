#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "cli/daemon.h"
#include "cli/replay_story.h"
#include "cli/verb.h"
#include "record/replay.h"
#include "record/session_list.h"

namespace assent::cli {
namespace {

using nlohmann::json;

struct ReplayOptions {
    std::string session;
    std::string folder;
    bool is_followed = false;
};

constexpr auto look_every = std::chrono::milliseconds(250);

bool replay_folder(Context& context, const ReplayOptions& options, const std::function<bool(const json&)>& each) {
    const auto session = record::find_session(options.folder, options.session);
    if (!session) {
        context.print_error(session.error());
        return false;
    }
    const auto wait = [] {
        std::this_thread::sleep_for(look_every);
        return true;
    };
    const auto replayed = record::replay_session(
        options.folder, *session, each, options.is_followed ? std::function<bool()>(wait) : std::function<bool()>());
    if (!replayed) context.print_error(replayed.error());
    return replayed.has_value();
}

void replay(Context& context, const ReplayOptions& options) {
    Story story;
    json all = json::array();
    const auto each = [&](const json& event) {
        if (event.is_null()) return true;  // the daemon asks whether somebody still looks
        if (context.is_json && options.is_followed) {
            print_json_line(event);
        } else if (context.is_json) {
            all.push_back(event);
        } else {
            std::fputs(story.tell(event).c_str(), stdout);
            if (options.is_followed) std::fflush(stdout);
        }
        return std::ferror(stdout) == 0;  // nobody reads on
    };
    if (!options.folder.empty()) {
        if (!replay_folder(context, options, each)) return;
    } else {
        const auto answer =
            ask_daemon(context, {{"verb", "replay"}, {"session", options.session}, {"follow", options.is_followed}},
                       [&each](const json& message) { return each(member_of(message, "event")); });
        if (!answer) return;
    }
    if (context.is_json && options.is_followed) return;
    if (context.is_json)
        print_json(all);
    else
        std::fputs(story.end().c_str(), stdout);
}

}  // namespace

void add_verb_replay(CLI::App& app, Context& context) {
    const auto options = std::make_shared<ReplayOptions>();
    CLI::App* verb = app.add_subcommand("replay", "What a session did, from its records");
    verb->add_option("SESSION", options->session, "The session, or the beginning of its id")->required()->type_name("");
    verb->add_option("--folder", options->folder, "Read this log without the daemon; such a look is not recorded")
        ->type_name("DIR");
    verb->add_flag("--follow", options->is_followed,
                   "Go on as the session does, until it closes or Ctrl-C; with --json one record a line");
    verb->footer(R"(
Tells who it was and then, by the time since the session was opened, each command with its values, its verdict and rules, who
decided on it and why, how it ended, and its rows as the agent saw them (masked). For root and the people in `decide` of this
host's settings. Who looks is recorded.

Examples:
  assent sessions --since 12h
  assent replay 01m8xk3
  assent replay 01m8xk3 --json     the records as they are
  assent replay 01m8xk3 --follow   watch a session that is open

Exit codes: 0 told, 1 there is no such session, 2 several begin so, 4 you may not.)");
    verb->callback([&context, options] { replay(context, *options); });
}

}  // namespace assent::cli

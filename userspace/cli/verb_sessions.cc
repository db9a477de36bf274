#include <cstdio>
#include <memory>

#include "base/shown_text.h"
#include "base/time.h"
#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "record/filters.h"

namespace assent::cli {
namespace {

using nlohmann::json;

struct SessionsOptions {
    bool is_live = false;
    std::string since;
    std::string until;
    std::string agent;
    std::string target;
    std::string verdict;
    std::size_t limit = 100;
    std::string folder;
};

// From the daemon, or from the folder itself; nothing after an error that was printed.
std::optional<std::vector<json>> collect(Context& context, const SessionsOptions& options, json& answer) {
    std::vector<json> sessions;
    const json request = {{"verb", "sessions"},         {"live", options.is_live}, {"since", options.since},
                          {"until", options.until},     {"agent", options.agent},  {"target", options.target},
                          {"verdict", options.verdict}, {"limit", options.limit}};
    if (options.folder.empty()) {
        const auto end = ask_daemon(context, request, [&sessions](const json& message) {
            sessions.push_back(member_of(message, "session"));
            return true;
        });
        if (!end) return std::nullopt;
        answer = *end;
        return sessions;
    }
    const auto filter = record::session_filter(request, system_clock().wall());
    if (!filter) {
        context.print_error(filter.error());
        return std::nullopt;
    }
    auto found = record::list_sessions(options.folder, *filter);
    if (!found) {
        context.print_error(found.error());
        return std::nullopt;
    }
    answer = {{"warnings", found->warnings}};
    return std::move(found->sessions);
}

// "2026-11-22 14:29:36": the time of a record without its fraction, in UTC.
std::string shown_time(std::string time) {
    constexpr std::size_t seconds_end = 19;
    if (time.size() > seconds_end) time.resize(seconds_end);
    if (const auto t = time.find('T'); t != std::string::npos) time[t] = ' ';
    return time;
}

// "cut: assentd was killed …, after 2026-11-22 14:29:36".
std::string cut_text(const json& session) {
    std::string text = text_of(session, "why");
    if (const auto after = text_of(session, "cut_after"); !after.empty()) text += ", after " + shown_time(after);
    return text;
}

void print_recorded(const std::vector<json>& sessions) {
    using Align = Table::Align;
    Table table({{"SESSION"},
                 {"OPENED (UTC)"},
                 {"LASTED", Align::right},
                 {"AGENT", Align::left, 30},
                 {"TARGET", Align::left, 30},
                 {"USER", Align::left, 20},
                 {"COMMANDS", Align::right},
                 {"DENIED", Align::right},
                 {"HELD", Align::right},
                 {"END", Align::left, 70}});
    constexpr long long micros_per_second = 1'000'000;
    for (const auto& session : sessions) {
        const bool is_closed = session.contains("closed");
        const bool is_cut = session.contains("cut");
        table.add({text_of(session, "session"), shown_time(text_of(session, "opened")),
                   is_closed ? shown_duration(number_of(session, "duration_us") / micros_per_second)
                   : is_cut  ? "cut"
                             : "open",
                   text_of(session, "agent"),
                   text_of(session, "target").empty() ? text_of(session, "asked_for") : text_of(session, "target"),
                   text_of(session, "user"), std::to_string(number_of(session, "commands")),
                   std::to_string(number_of(session, "denied")), std::to_string(number_of(session, "held")),
                   is_cut ? cut_text(session) : text_of(session, "why")});
    }
    table.print();
}

void print_live(const std::vector<json>& sessions) {
    using Align = Table::Align;
    Table table({{"SESSION"},
                 {"STATE"},
                 {"AGENT", Align::left, 30},
                 {"PID", Align::right},
                 {"TARGET", Align::left, 30},
                 {"DATABASE", Align::left, 20},
                 {"USER", Align::left, 20},
                 {"COMMANDS", Align::right},
                 {"HOLD"}});
    for (const auto& session : sessions) {
        table.add({text_of(session, "session"), text_of(session, "state"), text_of(session, "agent"),
                   std::to_string(number_of(session, "pid")),
                   text_of(session, "target").empty() ? text_of(session, "address") : text_of(session, "target"),
                   text_of(session, "database"), text_of(session, "user"), std::to_string(number_of(session, "commands")),
                   text_of(session, "hold")});
    }
    table.print();
}

void list(Context& context, const SessionsOptions& options) {
    json answer;
    const auto sessions = collect(context, options, answer);
    if (!sessions) return;
    for (const auto& warning : texts_of(answer, "warnings"))
        std::fprintf(stderr, "assent: %s\n", shown_text(warning).c_str());
    if (context.is_json) {
        print_json(*sessions);
    } else if (sessions->empty()) {
        std::printf(options.is_live ? "No session is open.\n" : "The log has no such session.\n");
    } else if (options.is_live) {
        print_live(*sessions);
    } else {
        print_recorded(*sessions);
    }
}

}  // namespace

void add_verb_sessions(CLI::App& app, Context& context) {
    const auto options = std::make_shared<SessionsOptions>();
    CLI::App* verb = app.add_subcommand("sessions", "Sessions that were recorded, the newest last");
    auto* live = verb->add_flag("--live", options->is_live, "Those that are open now, and what they do");
    auto* since =
        verb->add_option("--since", options->since, "Opened then or later: 2026-11-22, 2026-11-22T14:29 (UTC), 90m, 12h, 7d")
            ->type_name("TIME");
    auto* until = verb->add_option("--until", options->until, "Opened before then")->type_name("TIME");
    verb->add_option("--agent", options->agent, "Only of this agent")->type_name("NAME");
    verb->add_option("--target", options->target, "Only to this target")->type_name("NAME");
    auto* verdict = verb->add_option("--verdict", options->verdict, "Only those with a command that was judged so")
                        ->type_name("WORD")
                        ->check(CLI::IsMember({"allow", "hold", "deny"}));
    verb->add_option("--limit", options->limit, "At most so many, the newest (100)")
        ->type_name("N")
        ->check(CLI::Range(1, 10'000));
    auto* folder =
        verb->add_option("--folder", options->folder, "Read this log without the daemon; such a look is not recorded")
            ->type_name("DIR");
    live->excludes(since)->excludes(until)->excludes(verdict)->excludes(folder);
    verb->footer(R"(
For root and the people in `decide` of this host's settings. Who looks is recorded.

Examples:
  assent sessions --since 12h --agent nightly
  assent sessions --since 7d --verdict deny
  assent sessions --live
  assent replay 01m8…              what one of them did)");
    verb->callback([&context, options] { list(context, *options); });
}

}  // namespace assent::cli

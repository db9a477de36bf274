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

struct SearchOptions {
    std::string text;
    std::string since;
    std::string until;
    std::string session;
    std::string agent;
    std::string target;
    std::string verdict;
    std::size_t limit = 1'000;
    std::string folder;
};

using Each = std::function<bool(const json&)>;

// The last line of the answer; nothing after an error that was printed.
std::optional<json> ask(Context& context, const SearchOptions& options, const Each& each) {
    const json request = {{"verb", "search"},         {"text", options.text},       {"since", options.since},
                          {"until", options.until},   {"session", options.session}, {"agent", options.agent},
                          {"target", options.target}, {"verdict", options.verdict}, {"limit", options.limit}};
    if (options.folder.empty()) {
        return ask_daemon(context, request, [&each](const json& message) { return each(member_of(message, "match")); });
    }
    const auto filter = record::search_filter(request, system_clock().wall());
    if (!filter) {
        context.print_error(filter.error());
        return std::nullopt;
    }
    const auto found = record::search_records(options.folder, *filter, each);
    if (!found) {
        context.print_error(found.error());
        return std::nullopt;
    }
    return json{{"count", found->matches}, {"is_cut", found->is_cut}, {"warnings", found->warnings}};
}

void search(Context& context, const SearchOptions& options) {
    Table table({{"TIME (UTC)"},
                 {"SESSION"},
                 {"AGENT", Table::Align::left, 24},
                 {"RECORD"},
                 {"IN"},
                 {"TEXT", Table::Align::left, 140}});
    json all = json::array();
    const auto answer = ask(context, options, [&](const json& match) {
        if (context.is_json) {
            all.push_back(match);
            return true;
        }
        constexpr std::size_t millis_end = 23;
        table.add({text_of(match, "time").substr(0, millis_end), text_of(match, "session"), text_of(match, "agent"),
                   text_of(match, "type"), text_of(match, "where"), text_of(match, "excerpt")});
        return true;
    });
    if (!answer) return;
    for (const auto& warning : texts_of(*answer, "warnings"))
        std::fprintf(stderr, "assent: %s\n", shown_text(warning).c_str());
    if (context.is_json) {
        print_json(all);
    } else if (table.is_empty()) {
        std::printf("Nothing that was recorded has that text.\n");
    } else {
        table.print();
        if (flag_of(*answer, "is_cut"))
            std::printf(
                "There are more: narrow it by --since, --session, --agent or --verdict, or give a larger --limit.\n");
    }
    if (number_of(*answer, "count") == 0) context.exit_code = exit_failed;
}

}  // namespace

void add_verb_search(CLI::App& app, Context& context) {
    const auto options = std::make_shared<SearchOptions>();
    CLI::App* verb =
        app.add_subcommand("search", "Find text in what was recorded: statements, values, results, errors, reasons");
    verb->add_option("TEXT", options->text, "What to find; letters match in either case")->required()->type_name("");
    verb->add_option("--since", options->since, "Recorded then or later: 2026-11-22, 2026-11-22T14:29 (UTC), 90m, 12h, 7d")
        ->type_name("TIME");
    verb->add_option("--until", options->until, "Recorded before then")->type_name("TIME");
    verb->add_option("--session", options->session, "Only in this session, or those whose ids begin so")
        ->type_name("SESSION");
    verb->add_option("--agent", options->agent, "Only of this agent")->type_name("NAME");
    verb->add_option("--target", options->target, "Only in sessions at this target")->type_name("NAME");
    verb->add_option("--verdict", options->verdict, "Only commands that were judged so")
        ->type_name("WORD")
        ->check(CLI::IsMember({"allow", "hold", "deny"}));
    verb->add_option("--limit", options->limit, "At most so many matches (1000)")
        ->type_name("N")
        ->check(CLI::Range(1, 100'000));
    verb->add_option("--folder", options->folder, "Read this log without the daemon; such a look is not recorded")
        ->type_name("DIR");
    verb->footer(R"(
For root and the people in `decide` of this host's settings. Who looks, and for what, is recorded.

Examples:
  assent search customers --since 7d
  assent search 'drop table' --agent nightly --verdict deny --json

Exit codes: 0 found, 1 not found, 4 you may not.)");
    verb->callback([&context, options] { search(context, *options); });
}

}  // namespace assent::cli

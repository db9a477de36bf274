// assent token create|list|revoke
#include <cstdio>
#include <memory>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/table.h"
#include "cli/verb.h"

namespace assent::cli {
namespace {

using nlohmann::json;

struct TokenOptions {
    std::string name;
    std::vector<std::string> scopes;
    std::string which;
    unsigned days = 0;
};

void create(Context& context, const TokenOptions& options) {
    const auto made = ask_daemon(context, {{"verb", "token.create"},
                                           {"name", options.name},
                                           {"scopes", options.scopes},
                                           {"lifetime_s", 86'400ULL * options.days}});
    if (!made) return;
    if (context.is_json) return print_json(*made);
    std::printf("%s\n", text_of(*made, "token").c_str());
    const std::string end = text_of(*made, "expires");
    std::fprintf(stderr, "%s (%s), for %s, %s%s; it is shown this once\n", text_of(*made, "name").c_str(),
                 text_of(*made, "id").c_str(), joined(texts_of(*made, "scopes")).c_str(),
                 end.empty() ? "until it is revoked" : "until ", end.c_str());
}

void list(Context& context) {
    const auto answer = ask_daemon(context, {{"verb", "token.list"}});
    if (!answer) return;
    const json& tokens = member_of(*answer, "tokens");
    if (context.is_json) return print_json(tokens);
    Table table({{"ID"},
                 {"NAME", Table::Align::left, 30},
                 {"SCOPES", Table::Align::left, 40},
                 {"MADE BY"},
                 {"MADE"},
                 {"EXPIRES"},
                 {"LAST USED"}});
    for (const json& token : tokens) {
        const auto day = [&](const char* member, const char* otherwise) {
            const std::string time = text_of(token, member);
            return time.empty() ? std::string(otherwise) : time.substr(0, 16);
        };
        table.add({text_of(token, "id"), text_of(token, "name"), joined(texts_of(token, "scopes")),
                   shown_text(text_of(token, "made_by")), day("made", ""), day("expires", "never"), day("last_used", "")});
    }
    if (table.is_empty()) {
        std::printf("There are no tokens.\n");
    } else {
        table.print();
    }
}

void revoke(Context& context, const TokenOptions& options) {
    const auto revoked = ask_daemon(context, {{"verb", "token.revoke"}, {"which", options.which}});
    if (!revoked) return;
    if (context.is_json) return print_json(*revoked);
    std::printf("%s (%s) is revoked\n", text_of(*revoked, "name").c_str(), text_of(*revoked, "id").c_str());
}

}  // namespace

void add_verb_token(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("token", "Tokens by which programs use the console's API");
    verb->require_subcommand(1);
    verb->footer(R"(
A token may do what its scopes say, and never answer a hold: holds (see them), records (sessions, replay, search), policy (see it,
explain), status, end (end sessions). For root. Only hashes are stored; making and revoking are recorded.

Examples:
  assent token create dashboard --scope holds --scope status --days 90
  assent token list
  assent token revoke dashboard)");
    const auto options = std::make_shared<TokenOptions>();
    CLI::App* make = verb->add_subcommand("create", "Make a token, and print it this once");
    make->add_option("NAME", options->name, "What it is called in lists and records")->required()->type_name("");
    make->add_option("--scope", options->scopes, "holds, records, policy, status or end; may be given several times")
        ->required()
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("SCOPE");
    make->add_option("--days", options->days, "For how many days (default: until it is revoked)")->type_name("N");
    make->callback([&context, options] { create(context, *options); });
    verb->add_subcommand("list", "Show the tokens there are")->callback([&context] { list(context); });
    CLI::App* end = verb->add_subcommand("revoke", "Make a token good for nothing");
    end->add_option("TOKEN", options->which, "Its name or id")->required()->type_name("");
    end->callback([&context, options] { revoke(context, *options); });
}

}  // namespace assent::cli

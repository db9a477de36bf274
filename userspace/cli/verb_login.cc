// assent login: a person says who they are, or an agent for whom it acts.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/stored_login.h"
#include "cli/table.h"
#include "cli/verb.h"

namespace assent::cli {
namespace {

using nlohmann::json;

struct LoginOptions {
    std::string issuer;
    std::string token_file;
};

// "-" is standard input.
Result<std::string> read_token(const std::string& file) {
    std::ifstream opened;
    if (file != "-") {
        opened.open(file, std::ios::binary);
        if (!opened) return fail_errno("opening " + file, errno);
    }
    std::istream& in = file == "-" ? std::cin : opened;
    std::string text;
    for (char c = 0; text.size() <= limits::token_size && in.get(c);) {
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') text.push_back(c);
    }
    if (text.empty()) return fail(Errc::invalid, "there is no token in " + (file == "-" ? "what was given" : file));
    if (text.size() > limits::token_size) return fail(Errc::limit, "that is larger than a token may be");
    return text;
}

bool show_code(const Context& context, const json& message) {
    if (context.is_json) {
        print_json_line(message);
        return true;
    }
    const auto uri = shown_text(text_of(message, "verification_uri"));
    const auto whole = shown_text(text_of(message, "verification_uri_complete"));
    std::printf("Open %s and enter the code %s\n", uri.c_str(), shown_text(text_of(message, "user_code")).c_str());
    if (!whole.empty()) std::printf("or open %s and look whether it shows this code.\n", whole.c_str());
    std::printf("Waiting for it, for %s at most.\n", shown_duration(number_of(message, "expires_in")).c_str());
    std::fflush(stdout);
    return true;
}

void show_agent(const json& answer) {
    Fields fields;
    fields.add("acts for", text_of(answer, "acting").empty() ? text_of(answer, "sub") : text_of(answer, "acting"));
    fields.add("issuer", text_of(answer, "issuer"));
    fields.add("until", text_of(answer, "expires"));
    std::printf("%s", fields.to_text(terminal_width()).c_str());
}

void show_person(const json& answer) {
    const json& person = member_of(answer, "person");
    const auto groups = texts_of(person, "groups");
    Fields fields;
    fields.add("you are", text_of(person, "name"));
    fields.add("issuer", text_of(person, "issuer"));
    fields.add("subject", text_of(person, "subject"));
    fields.add("groups", groups.empty() ? "none" : joined(groups));
    std::printf("%s", fields.to_text(terminal_width()).c_str());
}

std::optional<json> ask(Context& context, const LoginOptions& options) {
    if (options.token_file.empty()) {
        json request{{"verb", "login"}};
        if (!options.issuer.empty()) request["issuer"] = options.issuer;
        return ask_daemon(context, request, [&](const json& message) { return show_code(context, message); });
    }
    const auto token = read_token(options.token_file);
    if (token) return ask_daemon(context, {{"verb", "token.bind"}, {"agent_token", *token}});
    context.print_error(token.error());
    return std::nullopt;
}

void log_in(Context& context, const LoginOptions& options) {
    auto answer = ask(context, options);
    if (!answer) return;
    if (flag_of(*answer, "bound")) {
        if (context.is_json) return print_json_line(*answer);
        return show_agent(*answer);
    }
    const StoredLogin login{text_of(*answer, "issuer"), text_of(*answer, "id_token"), text_of(*answer, "refresh_token")};
    if (const auto saved = save_login(login); !saved) return context.print_error(saved.error());
    answer->erase("id_token");
    answer->erase("refresh_token");
    if (context.is_json) return print_json_line(*answer);
    show_person(*answer);
}

}  // namespace

void add_verb_login(CLI::App& app, Context& context) {
    const auto options = std::make_shared<LoginOptions>();
    CLI::App* verb = app.add_subcommand("login", "Say who you are, or for whom this agent acts");
    verb->add_option("--issuer", options->issuer, "The identity provider, where the settings name several")
        ->type_name("URL");
    verb->add_option("--token-file", options->token_file, "In an agent: bind the token in this file (- is standard input)")
        ->type_name("FILE");
    verb->footer(R"(
For reviewers, and inside of an agent. Both are shown an address and a code: open the one in any browser and enter the other.
A reviewer's login is kept in a file that is theirs alone, and goes with what they ask assent from then on (`assent logout` ends
it). An agent's token is bound to its unit or run; --token-file binds one that is there already, once.

Examples:
  assent login
  assent login --token-file /run/secrets/token     (in an agent)

Exit codes: 0 logged in, 2 there is no such issuer, 3 no daemon or provider answers, 4 refused.)");
    verb->callback([&context, options] { log_in(context, *options); });
}

}  // namespace assent::cli

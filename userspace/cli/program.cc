#include "cli/program.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "policy/spelling.h"

namespace assent::cli {
namespace {

struct VerbGroup {
    std::string_view verb;
    const char* group;
};

// The order of `assent --help` is the order in which people meet the verbs.
constexpr std::array verb_groups = {
    VerbGroup{"run", "Agents"},          VerbGroup{"whoami", "Agents"},       VerbGroup{"login", "Agents"},
    VerbGroup{"logout", "Agents"},       VerbGroup{"holds", "Reviewing"},     VerbGroup{"approve", "Reviewing"},
    VerbGroup{"deny", "Reviewing"},      VerbGroup{"approvals", "Reviewing"}, VerbGroup{"revoke", "Reviewing"},
    VerbGroup{"review", "Reviewing"},    VerbGroup{"suspend", "Agents"},      VerbGroup{"resume", "Agents"},
    VerbGroup{"sessions", "The record"}, VerbGroup{"replay", "The record"},   VerbGroup{"search", "The record"},
    VerbGroup{"verify", "The record"},   VerbGroup{"status", "The host"},     VerbGroup{"doctor", "The host"},
    VerbGroup{"policy", "The host"},     VerbGroup{"govern", "The host"},     VerbGroup{"end", "The host"},
    VerbGroup{"token", "The host"},      VerbGroup{"upgrade", "The host"},    VerbGroup{"detach", "The host"},
};

constexpr const char* examples = R"(
Examples:
  assent run --name nightly -- psql -h payments-db.internal payments
                                   start a command as a governed agent
  assent holds --watch             see what waits for a person, and answer it
  assent approve h-7k2mq4 --reason "checked with ana"
  assent policy explain --agent nightly --target payments-db --sql 'DROP TABLE orders'
                                   what would happen, and by which rule
  assent verify                    prove that the record was not edited

`assent VERB --help` tells more of each. Exit codes: 0 done, 1 it did not work, 2 the arguments or a file are wrong,
3 no daemon answers, 4 you may not. `--json` gives every verb's answer to programs.
Manual: assent(1), assentd(8), assent.yaml(5), assent-policy(5).)";

// Options that every verb takes, after its name as well as before it.
void add_common_options(CLI::App& app, Context& context) {
    if (app.get_option_no_throw("--json") == nullptr) {
        app.add_flag("--json", context.is_json, "Print JSON for programs instead of tables")->group("Common options");
    }
    if (app.get_option_no_throw("--config") == nullptr) {
        app.add_option("--config", context.config_file,
                       "Settings of the daemon (default: ASSENT_CONFIG, or /etc/assent/assent.yaml)")
            ->type_name("FILE")
            ->group("Common options");
    }
}

void add_common_options_below(CLI::App& app, Context& context) {
    for (CLI::App* verb : app.get_subcommands([](CLI::App*) { return true; })) {
        if (verb->get_name() != "run") add_common_options(*verb, context);  // what follows `run` is the agent's own
        add_common_options_below(*verb, context);
    }
}

void group_verbs(CLI::App& app) {
    for (CLI::App* verb : app.get_subcommands([](CLI::App*) { return true; })) {
        const auto* const entry = std::ranges::find(verb_groups, verb->get_name(), &VerbGroup::verb);
        if (entry != verb_groups.end()) verb->group(entry->group);
    }
}

// What stands where a verb should, when it is none: CLI11 would only say that one is missing.
std::string unknown_verb(const CLI::App& app, int argc, const char* const* argv) {
    std::vector<std::string> verbs;
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) verbs.push_back(verb->get_name());
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--config") ++i;
        if (word.starts_with("-")) continue;
        if (std::ranges::find(verbs, word) != verbs.end()) return {};
        return "there is no verb '" + word + "'" + policy::suggestion(word, verbs);
    }
    return {};
}

// "assent policy explain": as far as the verbs were understood.
std::string words_of(const CLI::App& app) {
    std::string words = "assent";
    for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
        at = at->get_subcommands().front();
        words += " " + at->get_name();
    }
    return words;
}

// Where the command of `run` begins: its -- is nobody's option, and what follows is the command's to the letter, which the
// parser would take apart ("[a,b]" is a list to it). As many as there are when it is another verb.
int end_of_own(int argc, const char* const* argv) {
    int end = 1;
    while (end < argc && std::string_view(argv[end]) != "--") ++end;
    for (int i = 1; i < end; ++i) {
        const std::string_view word = argv[i];
        if (word == "--config") ++i;
        if (word.starts_with('-')) continue;
        return word == "run" ? end : argc;
    }
    return argc;
}

int parse_and_run(CLI::App& app, Context& context, int argc, const char* const* argv) {
    const int own = end_of_own(argc, argv);
    if (own < argc) context.command.assign(argv + own + 1, argv + argc);
    try {
        app.parse(own, argv);
        return context.exit_code;
    } catch (const CLI::Success& asked) {  // --help, --version
        return app.exit(asked) == 0 ? exit_ok : exit_failed;
    } catch (const CLI::ParseError& mistake) {
        // Parsing may have ended before it came to this flag.
        for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
            if (std::string_view(argv[i]) == "--json") context.is_json = true;
        }
        if (argc <= 1) {
            std::fputs(app.help().c_str(), stderr);
        } else {
            std::string what = unknown_verb(app, argc, argv);
            if (what.empty()) what = mistake.what();
            context.print_error(Error{Errc::invalid, what + "; see `" + words_of(app) + " --help`"});
        }
        return exit_usage;
    }
}

int run_verb(Context& context, int argc, const char* const* argv) {
    try {
        CLI::App app("assent: nothing an agent does reaches production without assent.", "assent");
        app.set_version_flag("--version", "assent " ASSENT_VERSION, "Print the version and exit");
        app.set_help_flag("-h,--help", "Print this help and exit");
        app.require_subcommand(1);
        app.fallthrough();
        app.footer(examples);
        add_verbs(app, context);
        add_common_options(app, context);
        add_common_options_below(app, context);
        group_verbs(app);
        return parse_and_run(app, context, argc, argv);
    } catch (const std::exception& error) {
        context.print_error(Error{Errc::internal, std::string("a bug in assent: ") + error.what()});
        return exit_failed;
    }
}

// False: what was to be printed did not get out, which has been said unless the reader has gone, as head(1) does.
bool finish_output(Context& context) {
    errno = 0;
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
    const int error = errno;
    pollfd reader{STDOUT_FILENO, POLLOUT, 0};
    const bool has_reader_gone = error == EPIPE || (::poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0);
    if (!has_reader_gone) {
        std::string message = "standard output cannot be written";
        if (error != 0) message += std::string(": ") + std::strerror(error);
        context.print_error(Error{Errc::internal, message});
    }
    return false;
}

}  // namespace

int run_program(int argc, const char* const* argv) {
    Context context;
    const int code = run_verb(context, argc, argv);
    return finish_output(context) ? code : exit_failed;
}

}  // namespace assent::cli

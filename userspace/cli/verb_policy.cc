// assent policy check|test|explain|builtin|reload
#include <cstdio>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/verb.h"
#include "control/client.h"
#include "policy/explain.h"
#include "policy/policy.h"
#include "policy/policy_files.h"
#include "policy/policy_test.h"
#include "policy/timestamp.h"
#include "secrets/credential_check.h"

namespace assent::cli {
namespace {

using policy::Diagnostic;
using policy::Policy;

// What the options of the sub-verbs fill; it lives as long as the program's options.
struct PolicyOptions {
    std::string directory;
    std::string agent;
    std::string target;
    std::string database;
    std::string sql;
    std::string sql_file;
    std::string catalog_file;
    std::string at;
    bool is_against_settings = false;
};

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

nlohmann::json to_json(const std::vector<Diagnostic>& mistakes) {
    nlohmann::json out = nlohmann::json::array();
    for (const Diagnostic& mistake : mistakes) {
        out.push_back(
            {{"file", mistake.file}, {"line", mistake.line}, {"column", mistake.column}, {"message", mistake.message}});
    }
    return out;
}

// On standard output: for `check` the mistakes are the answer. Elsewhere they are why there is none.
void print_mistakes(const std::vector<Diagnostic>& mistakes, std::FILE* stream) {
    for (const Diagnostic& mistake : mistakes) {
        const std::string line = shown_text(mistake.to_text()) + "\n";
        std::fwrite(line.data(), 1, line.size(), stream);
    }
}

// The directory that was named, or that of the settings; nothing when the settings cannot be read, which has been said.
std::optional<std::filesystem::path> directory_of(const PolicyOptions& options, Context& context) {
    if (!options.directory.empty()) return options.directory;
    const auto settings = context.settings();
    if (settings) return settings->policies;
    context.exit_code = exit_usage;
    return std::nullopt;
}

void check(const PolicyOptions& options, Context& context) {
    std::optional<policy::Settings> settings;
    if (options.directory.empty() || options.is_against_settings) {
        settings = context.settings();
        if (!settings) {
            context.exit_code = exit_usage;
            return;
        }
    }
    const std::filesystem::path directory =
        options.directory.empty() ? settings->policies : std::filesystem::path(options.directory);
    const auto loaded = Policy::load(directory, 1);
    std::vector<Diagnostic> mistakes;
    if (!loaded) mistakes = loaded.error();
    if (loaded && settings) mistakes = (*loaded)->check_against(*settings);
    context.exit_code = mistakes.empty() ? exit_ok : exit_failed;
    // Those of the host that will load it: elsewhere they may well be missing, so they are no mistakes.
    const auto warnings = loaded ? secrets::unreadable_credentials(**loaded) : std::vector<std::string>();
    const std::size_t file_count = loaded ? (*loaded)->files().size() : 0;
    if (context.is_json) {
        nlohmann::json answer = {{"ok", mistakes.empty()}, {"mistakes", to_json(mistakes)}, {"warnings", warnings}};
        if (loaded) answer["files"] = file_count;
        print_json_line(answer);
        return;
    }
    print_mistakes(mistakes, stdout);
    for (const auto& warning : warnings) std::fputs(fmt::format("warning, here: {}\n", shown_text(warning)).c_str(), stderr);
    if (mistakes.empty()) {
        print(fmt::format("{}: {} {}, no mistakes\n", directory.string(), file_count, file_count == 1 ? "file" : "files"));
    } else {
        const std::string summary =
            fmt::format("{} mistake{}; this set would not be loaded\n", mistakes.size(), mistakes.size() == 1 ? "" : "s");
        std::fwrite(summary.data(), 1, summary.size(), stderr);
    }
}

void refuse_mistakes(const std::vector<Diagnostic>& mistakes, Context& context) {
    context.exit_code = exit_usage;
    if (context.is_json) {
        print_json_line({{"error", "the policy has mistakes"}, {"mistakes", to_json(mistakes)}});
    } else {
        print_mistakes(mistakes, stderr);
    }
}

void test(const PolicyOptions& options, Context& context) {
    const auto directory = directory_of(options, context);
    if (!directory) return;
    const auto results = policy::run_policy_tests(*directory);
    if (!results) return refuse_mistakes(results.error(), context);
    context.exit_code = results->failures.empty() ? exit_ok : exit_failed;
    if (context.is_json) {
        nlohmann::json failures = nlohmann::json::array();
        for (const auto& failure : results->failures) {
            failures.push_back({{"file", failure.file},
                                {"line", failure.line},
                                {"name", failure.name},
                                {"differences", failure.differences}});
        }
        print_json_line({{"passed", results->passed}, {"failed", results->failures.size()}, {"failures", failures}});
        return;
    }
    for (const auto& failure : results->failures) {
        print(shown_text(fmt::format("{}:{}: {}", failure.file, failure.line, failure.name)) + "\n");
        for (const auto& difference : failure.differences) print("    " + shown_text(difference) + "\n");
    }
    print(fmt::format("{} passed, {} failed\n", results->passed, results->failures.size()));
}

// The text of a file, or of standard input for "-".
Result<std::string> text_in(const std::string& file) {
    const std::string path = file == "-" ? "/dev/stdin" : file;
    std::ifstream stream(path, std::ios::binary);
    if (!stream) return fail(Errc::invalid, fmt::format("{} cannot be opened", file));
    std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    if (stream.bad()) return fail(Errc::invalid, fmt::format("{} cannot be read", file));
    return text;
}

Result<policy::ExplainRequest> request_of(const PolicyOptions& options) {
    policy::ExplainRequest request;
    request.agent = options.agent;
    request.target = options.target;
    request.database = options.database;
    request.sql = options.sql;
    if (!options.sql_file.empty()) {
        auto text = text_in(options.sql_file);
        if (!text) return std::unexpected(std::move(text.error()));
        request.sql = std::move(*text);
    }
    if (!options.catalog_file.empty()) {
        auto text = text_in(options.catalog_file);
        if (!text) return std::unexpected(std::move(text.error()));
        request.catalog = std::move(*text);
    }
    if (!options.at.empty()) {
        const auto when = policy::read_timestamp(options.at);
        if (!when) return fail(Errc::invalid, fmt::format("--at is a time as 2026-06-15T10:00:00Z, not '{}'", options.at));
        request.when = *when;
    }
    return request;
}

void explain(const PolicyOptions& options, Context& context) {
    const auto directory = directory_of(options, context);
    if (!directory) return;
    const auto loaded = Policy::load(*directory, 1);
    if (!loaded) return refuse_mistakes(loaded.error(), context);
    auto request = request_of(options);
    auto explained = request ? policy::explain(**loaded, *request) : std::unexpected(request.error());
    if (!explained) {
        context.print_error(explained.error());
        context.exit_code = exit_usage;
        return;
    }
    if (context.is_json) {
        print_json_line(explained->to_json());
    } else {
        print(explained->to_text());
    }
    switch (explained->verdict.decision) {
        case model::Decision::allow:
            context.exit_code = exit_ok;
            break;
        case model::Decision::hold:
            context.exit_code = exit_hold;
            break;
        case model::Decision::deny:
            context.exit_code = exit_deny;
            break;
    }
}

void builtin(Context& context) {
    if (context.is_json) {
        print_json_line({{"builtin", Policy::builtin_text()}});
    } else {
        print(std::string(Policy::builtin_text()));
    }
}

void reload(Context& context) {
    const auto answer = ask_daemon(context, {{"verb", "policy.reload"}});
    if (!answer) return;
    if (context.is_json) return print_json_line(*answer);
    const auto digest = text_of(*answer, "digest");
    const auto revision = answer->contains("revision") ? answer->at("revision").dump() : std::string("?");
    print(shown_text(fmt::format("policies are loaded: revision {}{}{}", revision, digest.empty() ? "" : ", digest ",
                                 digest.substr(0, 16))) +
          "\n");
}

void add_explain(CLI::App& verb, const std::shared_ptr<PolicyOptions>& options, Context& context) {
    CLI::App* sub = verb.add_subcommand("explain", "Say what would become of a text, and by which rule; asks no server");
    sub->add_option("--policy", options->directory, "Policy directory (default: that of the settings)")->type_name("DIR");
    sub->add_option("--agent", options->agent, "A named set of agents, or any")->required()->type_name("NAME");
    sub->add_option("--target", options->target, "A target, or any")->required()->type_name("NAME");
    sub->add_option("--database", options->database, "Database (default: the first that the target lists)")
        ->type_name("NAME");
    CLI::Option* text = sub->add_option("--sql", options->sql, "The text")->type_name("TEXT");
    CLI::Option* file =
        sub->add_option("--sql-file", options->sql_file, "The text, from a file; - is standard input")->type_name("FILE");
    text->excludes(file);
    sub->add_option("--catalog", options->catalog_file,
                    "Relations and columns, as YAML; without it unqualified names are in public")
        ->type_name("FILE");
    sub->add_option("--at", options->at, "Judge as at this time (2026-06-15T10:00:00Z), for rules with hours")
        ->type_name("TIME");
    sub->footer(
        "Exit code: 0 allow, 10 hold, 11 deny, 2 the arguments or the policy are wrong.\n\n"
        "  assent policy explain --agent nightly --target shop-db --sql 'DROP TABLE orders'");
    sub->callback([options, text, file, &context] {
        if (text->count() + file->count() == 0) throw CLI::RequiredError("--sql or --sql-file");
        explain(*options, context);
    });
}

}  // namespace

void add_verb_policy(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("policy", "Check, test, explain and reload policies");
    verb->require_subcommand(1);
    verb->footer(R"(
Examples:
  assent policy check /etc/assent/policies
  assent policy test policies
  assent policy explain --agent nightly --target shop-db --sql 'DROP TABLE orders'
  assent policy reload

The format is described in assent-policy(5).)");
    const auto options = std::make_shared<PolicyOptions>();
    const auto add_directory = [&](CLI::App* sub) {
        sub->add_option("directory,--policy", options->directory, "Policy directory (default: that of the settings)")
            ->type_name("DIR");
    };
    CLI::App* check_verb =
        verb->add_subcommand("check", "Show every mistake of a policy set, with its place and the nearest spelling");
    add_directory(check_verb);
    check_verb->add_flag("--with-settings", options->is_against_settings,
                         "Check a named directory against the settings too (govern, decide)");
    check_verb->footer(
        "Exit code: 0 no mistakes, 1 mistakes. A set with mistakes is not loaded; the old one stays in force.");
    check_verb->callback([options, &context] { check(*options, context); });
    CLI::App* test_verb = verb->add_subcommand("test", "Run the cases of *.test.yaml in a policy directory");
    add_directory(test_verb);
    test_verb->footer("Exit code: 0 all passed, 1 some failed, 2 the policy or a test file is wrong.");
    test_verb->callback([options, &context] { test(*options, context); });
    add_explain(*verb, options, context);
    verb->add_subcommand("builtin", "Print the built-in rules, which stand below those of every set")->callback([&context] {
        builtin(context);
    });
    verb->add_subcommand("reload", "Make the daemon load its policies anew")->callback([&context] { reload(context); });
}

}  // namespace assent::cli

// assent run: starts a command as a governed agent.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "cli/verb.h"
#include "control/client.h"
#include "kernel/cgroup.h"
#include "kernel/confine.h"
#include "kernel/identity.h"

namespace assent::cli {
namespace {

// As env(1), nice(1) and the shells have them.
constexpr int exit_own_failure = 125;
constexpr int exit_not_executable = 126;
constexpr int exit_not_found = 127;

struct RunArguments {
    std::string name;
    std::string user;
    std::string purpose;
    std::string token_file;
};

Result<> ask_daemon(const std::filesystem::path& socket, const RunArguments& arguments) {
    nlohmann::json request{{"verb", "run"}, {"name", arguments.name}, {"start_ticks", kernel::start_ticks_of(::getpid())}};
    if (!arguments.purpose.empty()) request["purpose"] = arguments.purpose;
    if (!arguments.token_file.empty()) {
        std::error_code error;
        request["token_file"] = std::filesystem::absolute(arguments.token_file, error).string();
    }
    if (const char* caller = std::getenv("SUDO_UID"); caller != nullptr && ::getuid() == 0)
        if (const auto account = kernel::account_of(caller)) request["runner_uid"] = account->uid;
    const auto answer = control::ask(socket, request);
    if (!answer) return std::unexpected(answer.error());
    const auto cgroup = answer->value("cgroup", "");
    const auto own = kernel::cgroup_path_of_process(::getpid());
    if (!own) return std::unexpected(own.error());
    // Inside a cgroup namespace the path ends alike; anything else would run the command ungoverned.
    if (own->empty() || *own == "/" || !cgroup.ends_with(*own))
        return fail(Errc::internal,
                    fmt::format("the daemon says that this process is in {}, and it is in {}", cgroup, *own));
    if (answer->value("kept_outer", false))
        fmt::print(stderr, "assent: this process is governed already as {}: it stays that, not '{}'\n", cgroup,
                   arguments.name);
    return {};
}

// What login programs set for the user that they change to.
void set_environment(const kernel::Account& account) {
    if (::getuid() != 0) return;
    ::setenv("HOME", account.home.c_str(), 1);
    ::setenv("USER", account.name.c_str(), 1);
    ::setenv("LOGNAME", account.name.c_str(), 1);
    ::setenv("SHELL", account.shell.empty() ? "/bin/sh" : account.shell.c_str(), 1);
}

int execute(const std::vector<std::string>& command) {
    std::vector<char*> words;
    for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    ::execvp(words.front(), words.data());
    const int error = errno;
    fmt::print(stderr, "assent: {}: {}\n", command.front(), std::strerror(error));
    return error == ENOENT ? exit_not_found : exit_not_executable;
}

int run(Context& context, const RunArguments& arguments) {
    const auto failed = [&](const Error& error) {
        context.print_error(error);
        return exit_own_failure;
    };
    const auto account = kernel::choose_account(arguments.user.empty() ? std::nullopt : std::optional(arguments.user));
    if (!account) return failed(account.error());
    if (const auto checked = kernel::check_standard_streams(); !checked) return failed(checked.error());
    const auto socket = context.control_socket();
    if (!socket) return exit_own_failure;
    if (const auto asked = ask_daemon(*socket, arguments); !asked) return failed(asked.error());
    set_environment(*account);
    if (const auto confined = kernel::confine(*account); !confined) return failed(confined.error());
    return execute(context.command);
}

}  // namespace

void add_verb_run(CLI::App& app, Context& context) {
    auto arguments = std::make_shared<RunArguments>();
    auto* verb = app.add_subcommand("run", "Start a command as a governed agent: run --name NAME -- COMMAND [ARGUMENT...]");
    verb->add_option("--name", arguments->name, "What the agent is called; policies name it with `run:`")->required();
    verb->add_option("--user", arguments->user, "Run the command as this user (root must say; never root itself)");
    verb->add_option("--purpose", arguments->purpose, "What it is for, in your words: shown to reviewers and recorded");
    verb->add_option("--token-file", arguments->token_file,
                     "Whom it acts for: a file with a token (JWT), which is read again when it changes")
        ->type_name("FILE");
    verb->footer(
        "The command gets no new privileges, no capabilities and only sockets that can be governed. Its exit code is "
        "passed\n"
        "on; 125 means that assent itself failed, 126 that the command cannot be executed, 127 that it was not found.\n"
        "Inside an agent that is governed already the command keeps the outer agent's identity.\n\n"
        "  sudo assent run --name nightly --user bot --purpose 'clean up old orders' -- psql -h db.internal shop");
    verb->callback([arguments, &context] {
        if (context.command.empty()) throw CLI::RequiredError("A command after --");
        context.exit_code = run(context, *arguments);
    });
}

}  // namespace assent::cli

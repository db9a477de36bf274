// One verb of `assent` a file: cli/verb_NAME.cc defines `void add_verb_NAME(CLI::App& app, Context& context)`, and the build
// finds it. A verb prints a table for people and JSON with --json, and sets context.exit_code.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "policy/settings.h"

namespace assent::cli {

// Exit codes that scripts rely on (man page assent(1)).
enum ExitCode : int {
    exit_ok = 0,           // explain: allow
    exit_failed = 1,       // it was tried and did not work; a check found something
    exit_usage = 2,        // arguments, policy or settings are wrong
    exit_unavailable = 3,  // no daemon answers
    exit_refused = 4,      // you may not
    exit_expired = 5,      // holds wait: nobody answered in time
    exit_withdrawn = 6,    // holds wait: cancelled or revoked
    exit_hold = 10,        // explain: hold; holds wait: not decided yet
    exit_deny = 11,        // explain: deny
};

struct Context {
    std::string config_file;           // --config, ASSENT_CONFIG, /etc/assent/assent.yaml
    bool is_json = false;              // --json
    std::vector<std::string> command;  // of `run`: what came after --, to the letter
    int exit_code = exit_ok;

    // Reads the settings; nothing when they have a mistake, which is printed and sets the exit code.
    [[nodiscard]] std::optional<policy::Settings> settings();
    // For verbs that work without settings too: the defaults then. A mistake is printed; a file that nobody asked for may
    // be missing.
    [[nodiscard]] policy::Settings settings_or_defaults();
    // The control socket; when no settings can be read (an ordinary agent) it is /run/assent/control.sock or ASSENT_SOCKET.
    // Nothing when settings were asked for and have a mistake, which is printed: never the default daemon instead.
    [[nodiscard]] std::optional<std::filesystem::path> control_socket();
    // Prints "assent: message" to stderr (as {"error": …} with --json) and sets the exit code that fits.
    void print_error(const Error& error);

private:
    // Once, however often the settings are looked at.
    void print_mistakes(const std::vector<policy::Diagnostic>& mistakes);
    bool has_printed_mistakes_ = false;
};

}  // namespace assent::cli

// assent logout: forgets the login of the person at the terminal.
#include <cstdio>

#include "cli/daemon.h"
#include "cli/stored_login.h"
#include "cli/verb.h"

namespace assent::cli {

void add_verb_logout(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("logout", "Forget your login");
    verb->footer(R"(
Removes the file that `assent login` made. assent then knows you as this host's user again. The provider is not told.

Exit codes: 0 you are logged out.)");
    verb->callback([&context] {
        const auto removed = remove_login();
        if (!removed) return context.print_error(removed.error());
        if (context.is_json) return print_json({{"was_logged_in", *removed}});
        std::printf("%s\n", *removed ? "You are logged out." : "You were not logged in.");
    });
}

}  // namespace assent::cli

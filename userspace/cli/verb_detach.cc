// assent detach: root's recorded way out, also with the daemon dead.
#include <syslog.h>
#include <unistd.h>

#include <memory>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/verb.h"
#include "control/client.h"
#include "kernel/detach_note.h"
#include "kernel/redirect.h"

namespace assent::cli {
namespace {

void print_removed(const Context& context, const std::vector<std::string>& removed, bool is_recorded) {
    if (context.is_json) {
        print_json_line({{"removed", removed}, {"recorded", is_recorded}});
        return;
    }
    for (const auto& each : removed) fmt::print("removed {}\n", shown_text(each));
    if (removed.empty()) fmt::print("nothing was attached\n");
    if (!is_recorded) fmt::print("no daemon answered: the reason is noted, and recorded when the daemon starts\n");
}

// With the daemon dead: the note first, so that nothing is detached without one.
Result<std::vector<std::string>> detach_alone(const policy::Settings& settings, const std::string& reason) {
    if (auto noted = kernel::note_detach(settings.state, reason); !noted) return std::unexpected(noted.error());
    ::openlog("assent", LOG_PID, LOG_AUTHPRIV);
    ::syslog(LOG_WARNING, "agents are no longer governed: detached by uid %u: %s", ::getuid(), shown_text(reason).c_str());
    ::closelog();
    return kernel::detach_all(settings.bpffs);
}

void detach(Context& context, const std::string& reason) {
    if (::geteuid() != 0)
        return context.print_error({Errc::denied, "only root detaches: run it as root, by sudo for instance"});
    if (const auto socket = context.control_socket(); socket) {
        const auto answer = control::ask(*socket, {{"verb", "detach"}, {"reason", reason}});
        if (answer) {
            print_removed(context, answer->value("removed", std::vector<std::string>{}), true);
            return;
        }
        // A daemon that answers and refuses is not gone around, except when it cannot write records: the note stands in for
        // one.
        if (answer.error().code != Errc::unavailable) return context.print_error(answer.error());
    }
    // The way out works with broken settings too.
    const auto settings = context.settings_or_defaults();
    const auto removed = detach_alone(settings, reason);
    if (!removed) return context.print_error(removed.error());
    context.exit_code = exit_ok;
    print_removed(context, *removed, false);
}

}  // namespace

void add_verb_detach(CLI::App& app, Context& context) {
    auto reason = std::make_shared<std::string>();
    auto* verb = app.add_subcommand("detach", "End all governing of this host (root; works with the daemon dead)");
    verb->add_option("--reason", *reason, "Why; it is recorded")
        ->required()
        ->check(CLI::Validator(
            [](std::string& text) {
                return text.empty() || text.size() > 1000 ? std::string("say why, in 1 to 1,000 bytes") : std::string();
            },
            "TEXT"));
    verb->footer("Agents reach the network directly from then on, until assentd is started again.");
    verb->callback([reason, &context] { detach(context, *reason); });
}

}  // namespace assent::cli

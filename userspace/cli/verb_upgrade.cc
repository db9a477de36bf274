// assent upgrade: another assentd takes the place of the one that runs, and nobody is refused meanwhile.
#include <chrono>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "base/shown_text.h"
#include "cli/daemon.h"
#include "cli/verb.h"
#include "control/client.h"

namespace assent::cli {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto longest_start = 60s;

void print_end(Context& context, const json& status) {
    if (const auto failure = status.value("failed_upgrade", std::string()); !failure.empty())
        return context.print_error({Errc::unavailable, "the program that runs was started again: " + failure});
    if (context.is_json) {
        print_json_line({{"version", status.value("version", "")}, {"pid", status.value("pid", 0)}});
        return;
    }
    fmt::print("assentd {} has taken over, in process {}\n", shown_text(status.value("version", "")),
               status.value("pid", 0));
}

void upgrade(Context& context, int drain_s) {
    const auto socket = context.control_socket();
    if (!socket) return;
    const auto begun = control::ask(*socket, {{"verb", "upgrade"}, {"drain_s", drain_s}});
    if (!begun) return context.print_error(begun.error());
    const std::chrono::seconds drain(drain_s);
    if (!context.is_json)
        fmt::print("{} would start; {} sessions have up to {} s to end\n", shown_text(begun->value("program", "")),
                   begun->value("sessions", 0), drain_s);
    const auto end = std::chrono::steady_clock::now() + drain + longest_start;
    while (std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(200ms);
        const auto status = control::ask(*socket, {{"verb", "status"}});
        if (status && status->value("since", "") != begun->value("since", "")) return print_end(context, *status);
    }
    context.print_error({Errc::unavailable, "the new assentd does not answer; see its journal, and `assent status`"});
}

}  // namespace

void add_verb_upgrade(CLI::App& app, Context& context) {
    auto drain_s = std::make_shared<int>(30);
    auto* verb =
        app.add_subcommand("upgrade", "Let the assentd that is installed now take over from the one that runs (root)");
    verb->footer("Nobody is refused meanwhile. It is checked first, and the one that runs goes on when it would not start.");
    verb->add_option("--drain", *drain_s, "Seconds that sessions which are open get to end, while others come")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    verb->callback([drain_s, &context] { upgrade(context, *drain_s); });
}

}  // namespace assent::cli

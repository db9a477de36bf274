// assentd, the daemon.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "app/daemon.h"
#include "kernel/redirect.h"

namespace {

void open_own_log() {
    auto logger = spdlog::stderr_logger_mt("assentd");
    // Under systemd the journal has the time, and reads the level from <N>.
    const bool is_journal = std::getenv("JOURNAL_STREAM") != nullptr;
    logger->set_pattern(is_journal ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %l %v");
    spdlog::set_default_logger(std::move(logger));
    spdlog::flush_on(spdlog::level::info);
}

// Before any thread is made: the main thread waits for them.
void block_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int each : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) sigaddset(&signals, each);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

void raise_limits() {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);
    // A core would hold what agents and databases said to each other, and passwords.
    const rlimit none{0, 0};
    (void)::setrlimit(RLIMIT_CORE, &none);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("assentd: the daemon that stands between agents and what they may touch. See assentd(8).");
    std::string file = "/etc/assent/assent.yaml";
    bool only_checks = false;
    app.add_option("--config", file, "the settings")->envname("ASSENT_CONFIG")->capture_default_str();
    app.add_flag("--check", only_checks, "read the settings and policies, say what is wrong with them, and exit");
    unsigned handover = 0;
    app.add_option("--handover", handover,
                   "with --check: also that this program takes over from a running one which hands its sockets over in this "
                   "format, and that the kernel takes its BPF programs")
        ->check(CLI::Range(1U, assent::app::Handover::format));
    app.set_version_flag("--version", "assentd " + std::string(assent::app::version));
    CLI11_PARSE(app, argc, argv);
    const auto program = assent::app::Program::of_this_process(argc, argv);

    const auto settings = assent::policy::Settings::load(file);
    if (!settings) {
        for (const auto& mistake : settings.error()) std::fprintf(stderr, "assentd: %s\n", mistake.to_text().c_str());
        return 2;
    }
    if (only_checks) {
        auto result = assent::app::check_configuration(*settings);
        if (result && handover != 0) result = assent::kernel::try_programs();
        if (result) return 0;
        std::fprintf(stderr, "%s\n", result.error().message.c_str());
        return 1;
    }
    ::umask(077);
    open_own_log();
    block_signals();
    raise_limits();
    if (const auto result = assent::app::run_daemon(*settings, program); !result) {
        spdlog::error("{}", result.error().message);
        return 1;
    }
    return 0;
}

// assent-console, which people open in a browser.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include <CLI/CLI.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include "console/assets.h"
#include "console/console.h"
#include "console/http_server.h"
#include "console/settings_of.h"

namespace {

using namespace assent;

void open_own_log() {
    auto logger = spdlog::stderr_logger_mt("assent-console");
    const bool is_journal = std::getenv("JOURNAL_STREAM") != nullptr;
    logger->set_pattern(is_journal ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %l %v");
    spdlog::set_default_logger(std::move(logger));
    spdlog::flush_on(spdlog::level::info);
}

Result<tls::ServerIdentity> identity_of(const policy::ConsoleSettings& settings) {
    if (!settings.certificate.empty()) return tls::ServerIdentity::read(settings.certificate, settings.key);
    const char* state = std::getenv("STATE_DIRECTORY");
    const auto folder = state == nullptr ? std::filesystem::path() : std::filesystem::path(state) / "tls";
    auto made = tls::ServerIdentity::make(folder, {console::host_of(settings.public_url)});
    if (!made) return made;
    spdlog::warn(
        "no certificate is given (console: {{tls: …}}), so one was made by an authority of this console's own: browsers "
        "will not know it. SHA-256 {}{}",
        made->fingerprint(), folder.empty() ? "" : "; the authority is " + (folder / "ca.pem").string());
    return made;
}

int run(const policy::Settings& settings) {
    auto options = console::options_of(settings);
    if (!options) {
        std::fprintf(stderr, "assent-console: %s\n", options.error().message.c_str());
        return 2;
    }
    options->assets = console::web_assets();
    options->openapi = console::openapi_text();
    const auto identity = identity_of(settings.console);
    if (!identity) {
        std::fprintf(stderr, "assent-console: %s\n", identity.error().message.c_str());
        return 1;
    }
    console::Console console(system_clock(), std::move(*options));
    auto server = console::HttpServer::listen(settings.console.address, settings.console.port, *identity,
                                              [&](const console::Request& request) { return console.handle(request); });
    if (!server) {
        std::fprintf(stderr, "assent-console: %s\n", server.error().message.c_str());
        return 1;
    }
    sigset_t signals;
    sigemptyset(&signals);
    for (const int each : {SIGTERM, SIGINT}) sigaddset(&signals, each);
    std::thread answering([&] { (*server)->run(); });
    (void)::sd_notify(0, "READY=1");
    spdlog::info("the console is at {}, listening at {}:{}", settings.console.public_url, settings.console.address,
                 settings.console.port);
    int signal = 0;
    (void)::sigwait(&signals, &signal);
    (*server)->stop();
    answering.join();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("assent-console: the web application of assent. See assent-console(8).");
    std::string file = "/etc/assent/assent.yaml";
    app.add_option("--config", file, "the settings")->envname("ASSENT_CONFIG")->capture_default_str();
    app.set_version_flag("--version", "assent-console " ASSENT_VERSION);
    CLI11_PARSE(app, argc, argv);
    const auto settings = policy::Settings::load(file);
    if (!settings) {
        for (const auto& mistake : settings.error()) std::fprintf(stderr, "assent-console: %s\n", mistake.to_text().c_str());
        return 2;
    }
    open_own_log();
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t signals;
    sigemptyset(&signals);
    for (const int each : {SIGTERM, SIGINT}) sigaddset(&signals, each);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread is made
    return run(*settings);
}

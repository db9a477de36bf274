// assent-notify, which tells people that something waits for them.
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include "base/digest.h"
#include "base/limits.h"
#include "control/client.h"
#include "notify/deliverer.h"
#include "notify/watch.h"

namespace {

using namespace assent;

void open_own_log() {
    auto logger = spdlog::stderr_logger_mt("assent-notify");
    const bool is_journal = std::getenv("JOURNAL_STREAM") != nullptr;
    logger->set_pattern(is_journal ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %l %v");
    spdlog::set_default_logger(std::move(logger));
    spdlog::flush_on(spdlog::level::info);
}

// Becomes the user of the settings for good, when it was started as root.
Result<> drop_privileges(const std::string& user) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("no_new_privs", errno);
    if (::geteuid() != 0) return {};
    const passwd* entry = ::getpwnam(user.c_str());
    if (entry == nullptr) return fail(Errc::invalid, fmt::format("there is no user {} (notify: {{user: …}})", user));
    if (entry->pw_uid == 0) return fail(Errc::invalid, "notices are not sent as root (notify: {user: …})");
    if (::initgroups(entry->pw_name, entry->pw_gid) != 0 || ::setgid(entry->pw_gid) != 0 || ::setuid(entry->pw_uid) != 0)
        return fail_errno("becoming " + user, errno);
    return {};
}

std::string random_id() {
    std::array<std::byte, 16> bytes{};
    fill_random(bytes);
    return to_hex(bytes);
}

int run(const policy::Settings& settings) {
    if (!settings.notify.is_wanted) {
        std::fprintf(stderr, "assent-notify: %s names nobody to tell (notify: …)\n", settings.file.c_str());
        return 2;
    }
    auto channels = notify::channels_of(settings.notify);  // their secrets may be for root alone
    auto dropped = channels ? drop_privileges(settings.notify.user) : std::unexpected(channels.error());
    if (!dropped) {
        std::fprintf(stderr, "assent-notify: %s\n", dropped.error().message.c_str());
        return 2;
    }
    const auto socket = settings.run / "control.sock";
    const auto report = [&](const notify::ChannelState& state) {
        const auto told = control::ask(socket, {{"verb", "notices.report"},
                                                {"channel", state.channel},
                                                {"is_failing", state.is_failing},
                                                {"why", state.why.substr(0, limits::hold_reason)},
                                                {"delivered", state.delivered},
                                                {"dropped", state.dropped}});
        if (!told) spdlog::debug("{}", told.error().message);
    };
    std::vector<std::unique_ptr<notify::Deliverer>> deliverers;
    for (auto& channel : *channels)
        deliverers.push_back(std::make_unique<notify::Deliverer>(std::move(channel), report, limits::notice_first_pause));
    std::atomic<bool> is_over = false;
    const char* state = std::getenv("STATE_DIRECTORY");
    notify::Watch watch(socket, state == nullptr ? "" : state);
    std::thread watching([&] {
        watch.run(
            [&](const nlohmann::json& about) {
                notify::Notice notice{random_id(), about, {}};
                const auto hold = about.find("hold");
                if (settings.console.is_wanted && hold != about.end() && hold->is_object())
                    notice.link = settings.console.public_url + "/holds/" + hold->value("id", "");
                for (const auto& deliverer : deliverers) deliverer->put(notice);
            },
            is_over);
    });
    (void)::sd_notify(0, "READY=1");
    sigset_t signals;
    sigemptyset(&signals);
    for (const int each : {SIGTERM, SIGINT}) sigaddset(&signals, each);
    int signal = 0;
    (void)::sigwait(&signals, &signal);
    is_over = true;
    watching.join();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("assent-notify: tells people that something waits for them. See assent-notify(8).");
    std::string file = "/etc/assent/assent.yaml";
    app.add_option("--config", file, "the settings")->envname("ASSENT_CONFIG")->capture_default_str();
    app.set_version_flag("--version", "assent-notify " ASSENT_VERSION);
    CLI11_PARSE(app, argc, argv);
    const auto settings = policy::Settings::load(file);
    if (!settings) {
        for (const auto& mistake : settings.error()) std::fprintf(stderr, "assent-notify: %s\n", mistake.to_text().c_str());
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

// How the daemon makes place for another program in its process.
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <thread>

#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include "app/daemon_parts.h"
#include "base/json_writer.h"
#include "base/limits.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;
using control::Emit;
using control::Peer;
using nlohmann::json;

constexpr auto release_timeout = 2s;  // for what the kernel has accepted already, and for lookups that are under way
constexpr auto answer_time = 100ms;   // until whoever asked for the upgrade has been told that it begins
constexpr const char* why = "the service is being upgraded";

bool shall_stop() {
    sigset_t signals;
    sigemptyset(&signals);
    sigset_t pending;
    return ::sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

// Polls until it holds, the time is over or this process shall stop; gives whether it holds.
template <typename Holds>
bool wait_for(Duration limit, const Holds& holds) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() >= end || shall_stop()) return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

}  // namespace

Result<> Daemon::check_upgrade() const { return program_.check(settings_.file); }

void Daemon::add_upgrade_request() {
    control_->handle("upgrade", [this](const Peer& peer, const json& request, const Emit&) -> Result<json> {
        if (peer.uid != 0 || peer.person.is_governed)
            return fail(Errc::denied, "only root upgrades assentd, and no agent does");
        if (is_upgrade_wanted_) return fail(Errc::unavailable, "an upgrade is under way");
        const std::chrono::seconds drain(request.value("drain_s", limits::upgrade_drain.count()));
        if (drain.count() < 0 || drain > limits::upgrade_drain_maximum)
            return fail(Errc::invalid, "sessions get an hour at most to end");
        if (auto checked = check_upgrade(); !checked) return std::unexpected(checked.error());
        std::string members;
        JsonWriter(members)
            .member("what", "upgrade")
            .member("program", program_.file.string())
            .member("person", peer.person.name)
            .member("uid", peer.uid)
            .member("login_uid", peer.person.login_uid);
        if (auto recorded = record({model::record_type::administered, {}, members, {}, true}); !recorded)
            return std::unexpected(recorded.error());
        upgrade_drain_ = drain;
        is_upgrade_wanted_ = true;
        return json{{"program", program_.file.string()},
                    {"since", to_rfc3339(started_)},
                    {"sessions", flow_count()},
                    {"drain_s", drain.count()}};
    });
}

// Sessions that are open may end, and others come meanwhile as ever.
bool Daemon::drain_for_upgrade() {
    const auto count = [this] {
        std::size_t out = 0;
        for (const auto& worker : workers_) out += worker->retiring_count();
        return out;
    };
    for (auto& worker : workers_) worker->retire();
    const auto end = std::chrono::steady_clock::now() + upgrade_drain_.load();
    while (count() > 0 && std::chrono::steady_clock::now() < end && !shall_stop()) std::this_thread::sleep_for(20ms);
    if (shall_stop()) return false;
    if (count() == 0) return true;
    for (auto& worker : workers_) worker->end_retiring("assent", why);
    (void)wait_for(limits::upgrade_pause, [&] { return count() == 0; });
    return !shall_stop();
}

// From here on connections wait in the sockets.
void Daemon::release_all() {
    timespec now{};
    (void)::clock_gettime(CLOCK_MONOTONIC, &now);
    (void)::sd_notifyf(
        0, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=making place for another program",
        static_cast<unsigned long long>(now.tv_sec) * 1'000'000ULL + static_cast<unsigned long long>(now.tv_nsec) / 1000ULL);
    if (Fd socket = control_->release(); socket.is_open()) {
        if (const auto kept = handover_.keep(socket); !kept) spdlog::error("{}", kept.error().message);
    }
    for (auto& worker : workers_) worker->release();
    lookups_->release();
    const auto is_released = [](const auto& each) { return each->is_released(); };
    const bool is_quiet =
        wait_for(release_timeout, [&] { return std::ranges::all_of(workers_, is_released) && lookups_->is_released(); });
    if (!is_quiet) spdlog::warn("lookups that are under way are not answered any more");
}

bool Daemon::hand_over() {
    spdlog::info("upgrade: sessions that are open have {} s to end", upgrade_drain_.load().count());
    std::this_thread::sleep_for(answer_time);
    if (!drain_for_upgrade()) return false;
    is_stopped_ = true;
    release_all();
    (void)wait_for(limits::upgrade_pause, [this] { return flow_count() == 0; });
    if (flow_count() > 0) end_sessions(why);
    stop_threads();
    return true;
}

}  // namespace assent::app

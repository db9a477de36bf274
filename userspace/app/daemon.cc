#include "app/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include "app/daemon_parts.h"
#include "app/listening.h"
#include "app/state_folder.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "kernel/cgroup.h"
#include "kernel/containment.h"
#include "kernel/network_maps.h"
#include "kernel/ports.h"
#include "record/journal.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t ports_chosen = 4;

// Names this host in checkpoints; the machine id is for that, and the host name where there is none.
std::string host_origin() {
    std::ifstream in("/etc/machine-id");
    std::string id;
    if (in >> id && !id.empty()) return "assent/" + id;
    std::string name(256, '\0');
    if (::gethostname(name.data(), name.size() - 1) != 0) return "assent/host";
    return "assent/" + std::string(name.c_str());
}

}  // namespace

Daemon::Daemon(const policy::Settings& settings, Handover& handover, const Program& program, std::string failed_upgrade)
    : settings_(settings),
      started_(system_clock().wall()),
      handover_(handover),
      program_(program),
      failed_upgrade_(std::move(failed_upgrade)),
      policies_(settings, [this](const model::RecordDraft& draft) { return record(draft); }),
      learned_names_(system_clock()) {}

Daemon::~Daemon() { stop(); }

Result<> Daemon::start() {
    if (auto result = make_folders(settings_); !result) return result;
    auto key = mask_key(settings_.state);
    if (!key) return std::unexpected(key.error());
    mask_key_ = *key;
    if (auto result = open_records(); !result) return result;
    if (auto result = policies_.load_first(); !result) return result;
    if (auto result = open_kernel(); !result) return result;
    if (auto result = open_identity(); !result) return result;
    if (auto result = open_lookups(); !result) return result;
    if (auto result = open_workers(); !result) return result;
    // Agents' connections have somewhere to go before the hooks send them there.
    if (auto result = govern(); !result) return result;
    if (auto result = open_control(); !result) return result;
    const auto rest = handover_.close_rest();
    if (rest > 0) spdlog::warn("{} sockets of the program before are not wanted any more: closed", rest);
    return {};
}

Result<> Daemon::open_records() {
    record::LogOptions options;
    options.folder = settings_.state / "records";
    options.key = settings_.state / "keys/log.key";
    options.origin = host_origin();
    options.unsynced = settings_.records.reads;
    options.max_size_bytes = settings_.records.max_size_bytes;
    options.reserve_bytes = settings_.records.reserve_bytes;
    options.retain = settings_.records.retain;
    options.on_checkpoint = record::send_checkpoint_to_journal;
    auto log = record::Log::open(options);
    if (!log) return std::unexpected(log.error());
    log_ = std::move(*log);
    if (auto result = record_start(); !result) return result;
    if (auto result = record_end_before(); !result) return result;
    std::string note;
    JsonWriter(note).member("pid", ::getpid()).member("started", to_rfc3339(started_));
    if (auto result = run_note_.begin(settings_.state, note); !result) return result;
    auto noted = take_detached_notes(settings_.state, [this](const std::string& line) -> Result<> {
        std::string members;
        JsonWriter(members).member("while", "no daemon ran").member("note", line);
        return record({model::record_type::detached, {}, members, {}, true});
    });
    if (!noted) return noted;
    return open_holds();
}

Result<> Daemon::record_start() const {
    utsname system{};
    (void)::uname(&system);
    std::string members;
    JsonWriter writer(members);
    writer.member("version", version)
        .member("pid", ::getpid())
        .member("kernel", system.release)
        .member("machine", system.machine);
    writer.member("settings", settings_.file.string()).member("policies", settings_.policies.string());
    writer.strings("govern_slices", settings_.govern_slices).strings("govern_units", settings_.govern_units);
    writer.strings("govern_cgroups", settings_.govern_cgroups);
    writer.member("sockets_before", settings_.kernel.ends_earlier_sockets ? "destroy" : "list");
    writer.member("new_cgroups", settings_.kernel.gates_new_cgroups ? "gate" : "watch");
    writer.strings("decide_users", settings_.decide_users).strings("decide_groups", settings_.decide_groups);
    using Unlisted = policy::Settings::Unlisted;
    writer.member("unlisted_targets", settings_.unlisted_targets == Unlisted::deny   ? "deny"
                                      : settings_.unlisted_targets == Unlisted::hold ? "hold"
                                                                                     : "pass");
    writer.member("reads_strict", settings_.records.reads_strict);
    return record({model::record_type::daemon_started, {}, members, {}, true});
}

Result<> Daemon::record_end_before() const {
    const std::string note = RunNote::left_by_the_one_before(settings_.state);
    if (note.empty()) return {};
    const auto left = nlohmann::json::parse(note, nullptr, false);
    const bool says_how_many = left.is_object() && left.contains("unwritten") && left["unwritten"].is_number_unsigned();
    const auto unwritten = says_how_many ? left["unwritten"].get<std::uint64_t>() : 0;
    std::string members;
    JsonWriter writer(members);
    writer.member("what", "the daemon before this one did not stop in order");
    writer.member("why", unwritten == 0
                             ? "it was killed, or crashed, or the host went down: sessions without an end ended with it"
                             : "records could not be written when it stopped, and are lost");
    if (unwritten != 0) writer.member("left_out", unwritten);
    if (left.is_object()) writer.raw("before", left.dump());
    spdlog::warn("the daemon before this one did not stop in order; it left {} records unwritten", unwritten);
    return record({model::record_type::degraded, {}, members, {}, true});
}

Result<> Daemon::open_kernel() {
    auto cgroup = kernel::prepare_daemon_cgroup();
    if (!cgroup) return std::unexpected(cgroup.error());
    if (auto spared = kernel::spare_daemon(settings_.bpffs, *cgroup); !spared) return spared;
    ports_ = settings_.proxy_ports;
    if (ports_.empty()) ports_ = handover_.ports();
    if (ports_.empty()) {
        auto chosen = kernel::choose_ports(ports_chosen, settings_.bpffs);
        if (!chosen) return std::unexpected(chosen.error());
        ports_ = std::move(*chosen);
    }
    spdlog::info("the proxy's ports are {}", fmt::join(ports_, ", "));
    kernel::RedirectOptions options;
    options.bpffs = settings_.bpffs;
    options.ports = ports_;
    options.daemon_cgroup = *cgroup;
    options.ends_earlier_sockets = settings_.kernel.ends_earlier_sockets;
    options.new_cgroups.are_held = settings_.kernel.gates_new_cgroups;
    options.new_cgroups.slices = settings_.govern_slices;
    options.new_cgroups.units = settings_.govern_units;
    options.new_cgroups.cgroups = settings_.govern_cgroups;
    auto redirect = kernel::Redirect::open(options);
    if (!redirect) return std::unexpected(redirect.error());
    redirect_ = std::move(*redirect);
    auto own = kernel::cgroup_id_of(*cgroup);
    if (!own) return std::unexpected(own.error());
    if (redirect_->is_governed(*own)) {
        return fail(Errc::invalid, "assentd itself runs in the governed cgroup " + cgroup->string() +
                                       "; start it outside of `govern`, as its systemd unit does");
    }
    auto lacks = redirect_->degradations();
    const auto of_guard = redirect_->guard_lacks();
    lacks.insert(lacks.end(), of_guard.begin(), of_guard.end());
    if (settings_.unix_sockets.others_pass) {
        lacks_.emplace_back("unix sockets that no target lists are open to agents: `unix_sockets: {unlisted: pass}`");
        lacks.push_back(lacks_.back());
    }
    for (const auto& lack : lacks) {
        const bool is_accepted = settings_.kernel.accepts_no_lsm && std::ranges::find(of_guard, lack) != of_guard.end();
        spdlog::log(is_accepted ? spdlog::level::info : spdlog::level::warn, "{}", lack);
        std::string members;
        JsonWriter(members).member("what", lack).member("is_accepted", is_accepted);
        if (auto result = record({model::record_type::degraded, {}, members, {}, false}); !result) return result;
    }
    return {};
}

Result<> Daemon::open_identity() {
    auto issuers = Issuers::open(settings_.identity, system_clock());
    if (!issuers) return std::unexpected(std::move(issuers.error()));
    issuers_ = std::move(*issuers);
    const auto root = kernel::cgroup_root();
    if (!root) return std::unexpected(root.error());
    auto tokens = AgentTokens::open({
        .issuers = *issuers_,
        .cgroup_root = *root,
        .state_file = settings_.state / "tokens.json",
        .changed =
            [this](const std::string& cgroup, const TokenPointer& token) {
                for (auto& worker : workers_) worker->set_token(cgroup, token);
            },
        .record = [this](const model::RecordDraft& draft) { return record(draft); },
    });
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    tokens_ = std::move(*tokens);
    return {};
}

Result<> Daemon::open_lookups() {
    auto lookups = Lookups::make({
        .settings = settings_.dns,
        .redirect = *redirect_,
        .names = learned_names_,
        .records = log_->add_lane([] {}),
        .complete_agent = [this](model::Agent& agent) { describe_agent(agent); },
        .why_refused = [this](const model::Agent& agent) { return why_refused(agent); },
    });
    if (!lookups) return std::unexpected(lookups.error());
    lookups_ = std::move(*lookups);
    for (const auto port : ports_) {
        for (const bool is_v6 : {false, true}) {
            auto socket = take_or_bind(handover_, port, is_v6, Transport::udp);
            if (!socket && socket.error().code == Errc::unsupported) continue;  // the workers' listeners say so
            if (!socket) return std::unexpected(socket.error());
            if (auto result = handover_.keep(*socket); !result) return result;
            if (auto result = lookups_->listen(std::move(*socket)); !result) return result;
        }
    }
    lookups_->set_policy(*policies_.current());
    return {};
}

Result<> Daemon::open_workers() {
    // Agents have this host's other half: a thread with more to do at a time wakes up less often, and costs less a command.
    const unsigned count =
        settings_.threads != 0 ? settings_.threads : std::max(1U, std::thread::hardware_concurrency() / 2);
    WorkerServices services{
        .origin_of =
            [this](int accepted, const std::string& unix_name) {
                auto origin =
                    unix_name.empty() ? redirect_->origin_of(accepted) : redirect_->unix_origin_of(accepted, unix_name);
                if (origin) describe_agent(origin->agent);
                return origin;
            },
        .why_refused = [this](const model::Agent& agent) { return why_refused(agent); },
        .kernel_lacks = redirect_->lacks(),
        .names = learned_names_,
        .serve_dns = [this](Fd connection, const kernel::Origin& origin) { lookups_->serve(std::move(connection), origin); },
        .log = *log_,
        .holds = *holds_,
        .suspensions = *suspensions_,
        .rule_limits = rule_limits_,
        .last_refusals = last_refusals_,
        .cancel_keys = cancel_keys_,
        .names_generation = names_generation_,
        .unlisted = settings_.unlisted_targets,
        .waits_for_reads = settings_.records.reads_strict,
        .tls_folder = settings_.state / "tls",
        .mask_key = mask_key_,
    };
    for (unsigned i = 0; i < count; ++i) {
        auto worker = Worker::make(services, policies_.current());
        if (!worker) return std::unexpected(worker.error());
        workers_.push_back(std::move(*worker));
    }
    return open_listeners();
}

Result<> Daemon::open_listeners() {
    for (const auto port : ports_) {
        for (const bool is_v6 : {false, true}) {
            auto result = open_port(port, is_v6);
            if (result) continue;
            if (result.error().code != Errc::unsupported) return result;
            if (std::exchange(has_ipv6_, false)) lacks_.push_back("agents cannot use IPv6 here: " + result.error().message);
        }
    }
    return {};
}

// One socket a worker. Those of a program before that had more workers are served too: connections wait in each.
Result<> Daemon::open_port(std::uint16_t port, bool is_v6) {
    std::vector<Fd> sockets;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        auto socket = take_or_bind(handover_, port, is_v6, Transport::tcp);
        if (!socket) return std::unexpected(socket.error());
        sockets.push_back(std::move(*socket));
    }
    while (true) {
        Fd more = handover_.take(Transport::tcp, loopback(port, is_v6));
        if (!more.is_open()) break;
        sockets.push_back(std::move(more));
    }
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        if (auto result = handover_.keep(sockets[i]); !result) return result;
        // For agents' sockets that are older than their governing, of which the programs know no namespace.
        if (auto marked = redirect_->networks().mark(sockets[i].get()); !marked) return marked;
        if (auto result = workers_[i % workers_.size()]->listen(std::move(sockets[i])); !result) return result;
    }
    return {};
}

Result<> Daemon::govern() {
    const auto root = kernel::cgroup_root();
    if (!root) return std::unexpected(root.error());
    if (!settings_.govern_slices.empty()) {
        auto runs = kernel::Runs::open(*root / settings_.govern_slices.front(), settings_.state / "runs.json");
        if (!runs) return std::unexpected(runs.error());
        runs_ = std::move(*runs);
    }
    for (auto& worker : workers_) {
        if (auto result = worker->start(); !result) return result;
    }
    unix_doors_ = std::make_unique<UnixDoors>(settings_, *redirect_, handover_,
                                              [this](Fd socket, const std::string& name) -> Result<> {
                                                  for (auto& worker : workers_) {
                                                      Fd own(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
                                                      if (!own.is_open()) return fail_errno("listening for " + name, errno);
                                                      worker->listen_for(std::move(own), name);
                                                  }
                                                  return {};
                                              });
    tokens_->start();
    lookups_->start();
    policies_.on_change([this](const std::shared_ptr<const policy::Policy>& policy) {
        lookups_->set_policy(*policy);
        for (auto& worker : workers_) worker->set_policy(policy);
        if (const auto opened = unix_doors_->open(*policy); !opened) spdlog::error("{}", opened.error().message);
        if (events_) events_->look_up_names();
    });
    if (auto result = unix_doors_->open(*policies_.current()); !result) return result;
    for (const auto& slice : settings_.govern_slices) {
        if (auto result = redirect_->govern(*root / slice); !result) return result;
        spdlog::info("{} is governed", slice);
    }
    if (!settings_.govern_units.empty()) {
        if (auto result = redirect_->govern_units(settings_.govern_units); !result) return result;
    }
    if (!settings_.govern_cgroups.empty()) {
        if (auto result = redirect_->govern_cgroups(settings_.govern_cgroups); !result) return result;
    }
    open_networks();
    events_ = std::make_unique<KernelEvents>(KernelEvents::Parts{
        .redirect = *redirect_,
        .names = learned_names_,
        .records = log_->add_lane([] {}),
        .complete_agent = [this](model::Agent& agent) { describe_agent(agent); },
        .current_policy = [this] { return policies_.current(); },
        .every_second =
            [this] {
                if (runs_) (void)runs_->collect();
                networks_->look_around();
            },
        .network_asked = [this](const kernel::Event& event) { networks_->asked(event); },
        .network_failures = [this] { return networks_->take_failures(); },
    });
    events_->start();
    return {};
}

// Agents may be in other network namespaces since before the daemon's start.
void Daemon::open_networks() {
    networks_ = std::make_unique<kernel::Networks>(kernel::Networks::Parts{
        .redirect = *redirect_,
        .ports = ports_,
        .opened = [this](std::uint64_t cookie, kernel::Networks::Sockets sockets) -> Result<> {
            for (auto& worker : workers_) {
                for (const auto& socket : sockets.tcp) {
                    Fd own(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
                    if (!own.is_open()) return fail_errno("listening in another network namespace", errno);
                    worker->listen_for(std::move(own), {});
                }
            }
            lookups_->listen_in(cookie, std::move(sockets.udp));
            return {};
        },
        .closed = [this](std::uint64_t cookie) { lookups_->leave(cookie); },
    });
    networks_->look_around();
}

void Daemon::describe_agent(model::Agent& agent) const {
    if (runs_) runs_->describe(agent);
    if (tokens_) tokens_->describe(agent);
}

std::string Daemon::why_refused(const model::Agent& agent) const {
    const auto& accepts = settings_.kernel;
    const kernel::Accepted accepted{.no_lsm = accepts.accepts_no_lsm,
                                    .root_agents = accepts.accepts_root_agents,
                                    .new_privileges = accepts.accepts_new_privileges};
    const auto found = kernel::judge_containment(agent, redirect_->has_guard(), accepted);
    if (found.is_contained()) return {};
    return found.why + "; start it by `assent run`, or give its unit " + found.settings.front() +
           " (see packaging: agent.conf)";
}

void Daemon::reload() {
    if (auto result = policies_.reload("SIGHUP"); !result) spdlog::error("{}", result.error().message);
}

std::size_t Daemon::flow_count() const {
    std::size_t count = 0;
    for (const auto& worker : workers_) count += worker->flow_count();
    return count;
}

void Daemon::look_after() {
    const auto policy = policies_.current();
    (void)::sd_notifyf(0, "STATUS=policy revision %llu, %zu sessions",
                       static_cast<unsigned long long>(policy ? policy->revision() : 0), flow_count());
}

void Daemon::stop() {
    if (std::exchange(is_stopped_, true)) return;
    (void)::sd_notify(0, "STOPPING=1");
    for (auto& worker : workers_) worker->drain();
    const auto limit = std::chrono::steady_clock::now() + limits::drain_timeout;
    while (flow_count() > 0 && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(50ms);
    end_sessions("the service is stopping");
    if (control_) control_->stop();
    stop_threads();
}

void Daemon::end_sessions(std::string_view why) {
    for (auto& worker : workers_) worker->end_all("assent", std::string(why));
    const auto last = std::chrono::steady_clock::now() + 2s;
    while (flow_count() > 0 && std::chrono::steady_clock::now() < last) std::this_thread::sleep_for(20ms);
}

void Daemon::stop_threads() {
    if (events_) events_->stop();
    if (tokens_) tokens_->stop();
    if (lookups_) lookups_->stop();
    if (holds_) holds_->stop();
    if (desk_) save_limits();
    if (log_) close_records();
    for (auto& worker : workers_) worker->stop();
}

void Daemon::close_records() {
    std::string members;
    JsonWriter(members).member("sessions_cut", flow_count());
    if (const auto result = record({model::record_type::daemon_stopped, {}, members, {}, true}); !result) {
        spdlog::error("recording the stop: {}", result.error().message);
    }
    log_->close();  // its writer calls the workers no more
    std::uint64_t unwritten = log_->unwritten();
    for (const auto& worker : workers_) unwritten += worker->kept_count();
    if (holds_) unwritten += holds_->finish();
    if (events_) unwritten += events_->kept_count();
    if (lookups_) unwritten += lookups_->kept_count();
    if (unwritten == 0) return run_note_.remove();
    spdlog::error("{} records could not be written before the stop, and are lost; the next start records that", unwritten);
    std::string note;
    JsonWriter(note).member("unwritten", unwritten).member("stopped", to_rfc3339(system_clock().wall()));
    if (const auto result = run_note_.add(note); !result) spdlog::error("{}", result.error().message);
}

Result<> check_configuration(const policy::Settings& settings) {
    auto loaded = policy::Policy::load(settings.policies, 1);
    auto mistakes = loaded ? (*loaded)->check_against(settings) : std::move(loaded.error());
    if (mistakes.empty()) return {};
    std::string text;
    for (const auto& mistake : mistakes) text += (text.empty() ? "" : "\n") + mistake.to_text();
    return fail(Errc::invalid, text);
}

namespace {

// Until it shall stop (false), or another program take its place (true).
bool run(Daemon& daemon) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int each : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) sigaddset(&signals, each);
    while (true) {
        const timespec second{1, 0};
        const int signal = ::sigtimedwait(&signals, nullptr, &second);
        if (signal == SIGTERM || signal == SIGINT) return false;
        if (signal == SIGHUP) daemon.reload();
        if (daemon.is_upgrade_wanted()) return true;
        if (signal == SIGUSR2) {
            const auto checked = daemon.check_upgrade();
            if (checked) return true;
            spdlog::error("no upgrade: {}", checked.error().message);
        }
        daemon.look_after();
    }
}

}  // namespace

Result<> run_daemon(const policy::Settings& settings, const Program& program) {
    auto handover = Handover::inherited();
    std::string failed_upgrade;
    while (true) {
        {
            Daemon daemon(settings, handover, program, failed_upgrade);
            if (auto result = daemon.start(); !result) return result;
            (void)::sd_notify(0, "READY=1");
            spdlog::info("assentd {} is ready", version);
            if (!run(daemon) || !daemon.hand_over()) {
                spdlog::info("stopping: new connections are refused, sessions end as they become idle");
                daemon.stop();
                return {};
            }
        }
        handover.pass_on();
        failed_upgrade = program.execute(handover).message;
        spdlog::error("no upgrade: {}; this program goes on", failed_upgrade);
    }
}

}  // namespace assent::app

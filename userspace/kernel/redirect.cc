#include "kernel/redirect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "abi.h"
#include "base/limits.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_watch.h"
#include "kernel/gate.h"
#include "kernel/glob_machine.h"
#include "kernel/guard.h"
#include "kernel/identity.h"
#include "kernel/map_contents.h"
#include "kernel/network_maps.h"
#include "kernel/pins.h"
#include "kernel/ports.h"
#include "kernel/programs.h"
#include "kernel/unix_files.h"
#include "kernel/unix_identity.h"

namespace assent::kernel {
namespace {

constexpr int most_tries = 16;
// A datagram that waited longer for the daemon to read it has no sender any more.
constexpr auto longest_queue = std::chrono::seconds(10);
// Without one of these a cgroup is open, and sockets that it makes meanwhile are as if it had never been governed.
constexpr std::array<std::string_view, 5> closing_programs = {"connect4", "connect6", "sendmsg4", "sendmsg6", "sock_create"};

model::IpAddress to_model(const assent_address& address) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), address.words, sizeof(address.words));
    const bool is_v4 = address.words[0] == 0 && address.words[1] == 0 && address.words[2] == htonl(0xffff);
    model::IpAddress out;
    out.is_v6 = !is_v4;
    std::copy(bytes.begin() + (is_v4 ? 12 : 0), bytes.end(), out.bytes.begin());
    return out;
}

assent_address to_kernel(const model::IpAddress& address) {
    std::array<std::uint8_t, 16> bytes{};
    if (address.is_v6) {
        bytes = address.bytes;
    } else {
        bytes[10] = bytes[11] = 0xff;
        std::copy_n(address.bytes.begin(), 4, bytes.begin() + 12);
    }
    assent_address out{};
    std::memcpy(out.words, bytes.data(), bytes.size());
    return out;
}

Event::Kind kind_of(std::uint32_t kind) {
    switch (kind) {
        case ASSENT_REFUSED_CONNECT:
            return Event::Kind::refused_connect;
        case ASSENT_REFUSED_SEND:
            return Event::Kind::refused_send;
        case ASSENT_REFUSED_BIND:
            return Event::Kind::refused_bind;
        case ASSENT_REFUSED_SOCKET:
            return Event::Kind::refused_socket;
        case ASSENT_REFUSED_LISTEN:
            return Event::Kind::refused_listen;
        case ASSENT_REFUSED_FOREIGN:
            return Event::Kind::refused_foreign_socket;
        case ASSENT_REFUSED_PROCESS:
            return Event::Kind::refused_process;
        case ASSENT_REFUSED_BPF:
            return Event::Kind::refused_bpf;
        case ASSENT_REFUSED_MOUNT:
            return Event::Kind::refused_mount;
        case ASSENT_REFUSED_DEVICE:
            return Event::Kind::refused_device;
        case ASSENT_REFUSED_CGROUP:
            return Event::Kind::refused_cgroup;
        case ASSENT_REFUSED_UNIX:
            return Event::Kind::refused_unix;
        case ASSENT_REFUSED_OPTION:
            return Event::Kind::refused_option;
        case ASSENT_REFUSED_NEW:
            return Event::Kind::refused_new;
        case ASSENT_ASKS_FOR_NETWORK:
            return Event::Kind::asks_for_network;
        default:
            return Event::Kind::dropped_packet;
    }
}

// How many folders a cgroup is below the mount.
std::size_t depth_of(std::string_view path) { return static_cast<std::size_t>(std::ranges::count(path, '/')); }

class KernelRedirect final : public Redirect {
public:
    KernelRedirect(Pins pins, Programs programs, Guard guard, Gate gate, CgroupPaths paths)
        : pins_(std::move(pins)),
          programs_(std::move(programs)),
          guard_(std::move(guard)),
          gate_(std::move(gate)),
          identities_(std::move(paths)),
          watch_(identities_.paths().root()),
          networks_(programs_.map("doors"), programs_.map("refused_networks"), programs_.map("heartbeat")),
          accepted_(programs_.map("accepted")),
          senders_(programs_.map("senders")) {}

    KernelRedirect(const KernelRedirect&) = delete;
    KernelRedirect& operator=(const KernelRedirect&) = delete;
    ~KernelRedirect() override { ring_buffer__free(rings_); }

    [[nodiscard]] Result<> start(const RedirectOptions& options, bool was_mounted);

    Result<> govern(const std::filesystem::path& cgroup) override;
    Result<Origin> origin_of(int accepted_descriptor) const override;
    Result<Origin> unix_origin_of(int accepted_descriptor, const std::string& asked_for) const override;
    Result<> set_unix_rules(const std::vector<UnixRule>& rules, bool others_pass) override;
    bool has_unix() const override { return programs_.has("assent_connect_unix"); }
    Result<Origin> sender_of(const model::Endpoint& source, std::uint16_t proxy_port,
                             std::uint64_t network_cookie) const override;
    NetworkMaps& networks() override { return networks_; }
    bool is_governed(std::uint64_t cgroup_id) const override;
    Result<> poll_events(int timeout_ms, const std::function<void(const Event&)>& each) override;
    std::vector<std::string> governed() const override;
    std::vector<std::string> degradations() const override;
    bool has_guard() const override { return guard_.is_active(); }
    std::vector<std::string> guard_lacks() const override { return guard_.lacks(); }
    std::vector<std::string> lacks() const override;
    Result<> govern_units(const std::vector<std::string>& patterns) override;
    Result<> govern_cgroups(const std::vector<std::string>& patterns) override;
    Result<> govern_now(const std::string& path) override;
    std::vector<std::string> cgroups_of_unit(const std::string& unit) override;
    Result<std::vector<std::string>> check() override;
    std::string cgroup_path(std::uint64_t cgroup_id) const override { return identities_.names_of(cgroup_id).path; }
    EarlierSockets take_earlier_sockets() override;
    std::uint64_t lost_events() const override;
    std::vector<CutEvents> take_cut_events() override;
    Result<std::vector<std::string>> detach() override;

private:
    [[nodiscard]] Result<> attach_daemon(const std::filesystem::path& cgroup);
    // What has not been governed until now has its sockets handled.
    [[nodiscard]] Result<> attach_governed(const std::filesystem::path& cgroup, std::uint64_t cgroup_id);
    void handle_sockets_of(const std::filesystem::path& cgroup);
    [[nodiscard]] Result<> take_over();
    [[nodiscard]] Result<> write_unix_files() const;
    [[nodiscard]] Result<> open_gate(const RedirectOptions& options);
    [[nodiscard]] Result<> hold_back(const std::string& path);
    [[nodiscard]] std::string below_gate(const std::string& path) const;
    [[nodiscard]] Result<> govern_found(const std::vector<std::string>& paths, std::vector<std::string>& repaired);
    [[nodiscard]] bool is_attached(std::uint64_t cgroup_id) const;
    [[nodiscard]] Origin to_origin(const assent_origin& origin) const;
    [[nodiscard]] Result<> repair(const std::string& path, bool is_made, std::vector<std::string>& repaired);
    void drop_governed(std::uint64_t cgroup_id);
    void drop_gone();
    void find_degradations(bool was_mounted);
    [[nodiscard]] std::string path_below_root(const std::filesystem::path& cgroup) const;
    static int seen(void* context, void* data, std::size_t size);

    Pins pins_;
    Programs programs_;
    Guard guard_;
    Gate gate_;
    Identities identities_;
    CgroupWatch watch_;
    NetworkMaps networks_;
    int accepted_;
    int senders_;
    std::vector<std::uint16_t> ports_;
    bool ends_earlier_sockets_ = true;
    std::string daemon_path_;
    std::string gate_path_;  // from the mount, where it is; empty: that is the mount
    bool is_gated_ = false;
    ring_buffer* rings_ = nullptr;
    const std::function<void(const Event&)>* each_ = nullptr;  // while poll_events runs
    std::size_t events_left_ = 0;                              // that it may still read
    std::map<std::uint64_t, std::uint64_t> cut_events_;        // by cgroup, as they were read last

    mutable std::recursive_mutex mutex_;           // guards what follows, and attaching
    std::set<std::string, std::less<>> wanted_;    // paths given to govern()
    std::set<std::string, std::less<>> governed_;  // paths with links
    std::vector<std::string> unit_patterns_;
    std::vector<UnixRule> unix_rules_;  // where has_unix() is false
    std::vector<std::string> path_patterns_;
    GatePatterns held_back_;  // what the gate goes by
    std::vector<std::string> degradations_;
    EarlierSockets earlier_;
    bool is_detached_ = false;
};

Result<> KernelRedirect::start(const RedirectOptions& options, bool was_mounted) {
    const auto settings = make_configuration(options.ports);
    if (!settings) return std::unexpected(settings.error());
    if (auto set = programs_.configure(*settings); !set) return set;
    if (auto pinned = programs_.pin_new_maps(pins_); !pinned) return pinned;
    ports_ = options.ports;
    ends_earlier_sockets_ = options.ends_earlier_sockets;
    if (auto attached = attach_daemon(options.daemon_cgroup); !attached) return attached;
    if (auto taken = take_over(); !taken) return taken;
    if (auto opened = open_gate(options); !opened) return opened;
    rings_ = ring_buffer__new(programs_.map("events"), &KernelRedirect::seen, this, nullptr);
    if (rings_ == nullptr) return fail_errno("opening the ring buffer", errno);
    find_degradations(was_mounted);
    return {};
}

std::string KernelRedirect::path_below_root(const std::filesystem::path& cgroup) const {
    std::error_code ignored;
    const auto relative = std::filesystem::weakly_canonical(cgroup, ignored).lexically_relative(identities_.paths().root());
    if (relative.empty() || relative == "." || *relative.begin() == "..") return {};
    return "/" + relative.string();
}

Result<> KernelRedirect::attach_daemon(const std::filesystem::path& cgroup) {
    daemon_path_ = path_below_root(cgroup);
    if (daemon_path_.empty())
        return fail(Errc::invalid, fmt::format("the daemon must run in a cgroup of its own below {}, not in '{}'",
                                               identities_.paths().root().string(), cgroup.string()));
    const auto id = cgroup_id_of(cgroup);
    if (!id) return std::unexpected(id.error());
    const Fd folder(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open()) return fail_errno(fmt::format("cgroup {}", cgroup.string()), errno);
    const auto program = programs_.accept();
    const auto attached =
        attach_pinned(pins_.daemon() / program.name, program.descriptor, program.attach_type, folder.get(), *id);
    if (!attached) return std::unexpected(attached.error());
    return {};
}

Result<> KernelRedirect::attach_governed(const std::filesystem::path& cgroup, std::uint64_t cgroup_id) {
    const Fd folder(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open()) return fail_errno(fmt::format("cgroup {}", cgroup.string()), errno);
    const auto path = path_below_root(cgroup);
    if (auto held = guard_.govern(cgroup_id, depth_of(path)); !held) return held;
    const auto place = pins_.governed(cgroup_id);
    if (::mkdir(place.c_str(), 0700) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", place.string()), errno);
    bool is_new = false;
    std::vector<std::string> names;
    const auto attach = [&](bool is_filter) -> Result<> {
        for (const auto& program : programs_.governing()) {
            if (is_filter != (program.name == "egress" || program.name == "ingress")) continue;
            names.push_back(program.name);
            const auto attached =
                attach_pinned(place / program.name, program.descriptor, program.attach_type, folder.get(), cgroup_id);
            if (!attached) return std::unexpected(attached.error());
            is_new |= *attached && std::ranges::find(closing_programs, program.name) != closing_programs.end();
        }
        return {};
    };
    if (auto attached = attach(false); !attached) return attached;
    is_new |= linked_cgroup(place / "egress") != cgroup_id;
    // Before the filters of packets, which would keep the peers from being told that their connections end.
    if (is_new) handle_sockets_of(cgroup);
    if (auto attached = attach(true); !attached) return attached;
    drop_other_links(place, names);  // last: there is no moment without
    gate_.pass(cgroup_id);
    return {};
}

// After what was governed before is known to the gate, which would refuse it otherwise.
Result<> KernelRedirect::open_gate(const RedirectOptions& options) {
    const auto& wanted = options.new_cgroups;
    if (!wanted.are_held) {
        drop_gate(pins_);
        return {};
    }
    degradations_.insert(degradations_.end(), gate_.lacks().begin(), gate_.lacks().end());
    gate_path_ = wanted.top.empty() ? std::string() : path_below_root(wanted.top);
    for (const auto& slice : wanted.slices) held_back_.paths.push_back(below_gate("/" + literal_glob(slice)));
    held_back_.units = wanted.units;
    for (const auto& cgroup : wanted.cgroups) held_back_.paths.push_back(below_gate(cgroup));
    std::erase(held_back_.paths, "");
    if (auto spared = spare_daemon(options.bpffs, options.daemon_cgroup); !spared) return spared;
    if (auto attached = gate_.attach(pins_, cgroup_folder(identities_.paths().root(), gate_path_)); !attached)
        return attached;
    is_gated_ = true;
    return gate_.refuse(held_back_);
}

// What is left of a path from the mount; empty: it is not below the gate.
std::string KernelRedirect::below_gate(const std::string& path) const {
    return is_within(path, gate_path_) ? path.substr(gate_path_.size()) : std::string();
}

Result<> KernelRedirect::hold_back(const std::string& path) {
    std::string pattern;
    for (const char character : below_gate(path))
        pattern += character == '/' ? "/" : literal_glob(std::string_view(&character, 1));
    if (!is_gated_ || pattern.empty() || std::ranges::find(held_back_.paths, pattern) != held_back_.paths.end()) return {};
    auto wanted = held_back_;
    wanted.paths.push_back(std::move(pattern));
    if (auto refused = gate_.refuse(wanted); !refused) return refused;
    held_back_ = std::move(wanted);
    return {};
}

void KernelRedirect::handle_sockets_of(const std::filesystem::path& cgroup) {
    auto found = handle_earlier_sockets(
        {.cgroup_root = identities_.paths().root(), .cgroup = cgroup, .ports = ports_, .ends = ends_earlier_sockets_});
    const auto room = limits::sockets_told - std::min(limits::sockets_told, earlier_.sockets.size());
    const auto taken = std::min(room, found.sockets.size());
    std::move(found.sockets.begin(), found.sockets.begin() + static_cast<std::ptrdiff_t>(taken),
              std::back_inserter(earlier_.sockets));
    earlier_.left_out += found.left_out + found.sockets.size() - taken;
    for (auto& sentence : found.lacks) {
        if (std::ranges::find(degradations_, sentence) != degradations_.end()) continue;
        earlier_.lacks.push_back(sentence);
        degradations_.push_back(std::move(sentence));
    }
}

EarlierSockets KernelRedirect::take_earlier_sockets() {
    const std::lock_guard lock(mutex_);
    return std::exchange(earlier_, {});
}

// What an earlier daemon governs stays governed, by our programs now.
Result<> KernelRedirect::take_over() {
    for (const auto id : pinned_cgroups(pins_)) {
        const auto path = identities_.paths().path_of(id);
        if (!path && path.error().code != Errc::not_found) return std::unexpected(path.error());
        if (!path) {
            drop_governed(id);
            continue;
        }
        if (auto attached = attach_governed(cgroup_folder(identities_.paths().root(), *path), id); !attached)
            return attached;
        governed_.insert(*path);
    }
    return {};
}

bool KernelRedirect::is_attached(std::uint64_t cgroup_id) const {
    return std::ranges::all_of(programs_.governing(), [&](const Program& program) {
        return linked_cgroup(pins_.governed(cgroup_id) / program.name) == cgroup_id;
    });
}

Result<> KernelRedirect::govern(const std::filesystem::path& cgroup) {
    const std::lock_guard lock(mutex_);
    const auto path = path_below_root(cgroup);
    if (path.empty())
        return fail(Errc::invalid,
                    fmt::format("'{}' is not below the cgroup mount: it cannot be governed", cgroup.string()));
    if (is_within(daemon_path_, path))
        return fail(Errc::invalid, fmt::format("{} holds the daemon itself: it cannot be governed", path));
    std::vector<std::string> repaired;
    if (auto done = repair(path, true, repaired); !done) return done;
    if (auto held = hold_back(path); !held) return held;
    wanted_.insert(path);
    watch_.add(path);
    is_detached_ = false;
    return {};
}

Result<> KernelRedirect::repair(const std::string& path, bool is_made, std::vector<std::string>& repaired) {
    const auto folder = cgroup_folder(identities_.paths().root(), path);
    // Twice governed would be refused: the second redirect would find the first one's.
    const bool is_inner =
        std::ranges::any_of(governed_, [&](const std::string& top) { return top != path && is_within(path, top); });
    std::uint64_t id = 0;
    // It may go, and come back as another one, at any moment.
    for (int tries = 0;; ++tries) {
        std::error_code error;
        if (is_made && std::filesystem::create_directories(folder, error))
            repaired.push_back(fmt::format("cgroup {} was gone: made again", path));
        if (error) return fail_errno(fmt::format("making cgroup {}", path), error.value());
        const auto found = cgroup_id_of(folder);
        if (!found && !is_made && !std::filesystem::exists(folder)) return {};
        if (!found && tries == most_tries) return std::unexpected(found.error());
        if (!found) continue;
        id = *found;
        if (is_inner || (is_attached(id) && governed_.contains(path))) return {};
        const auto attached = attach_governed(folder, id);
        if (attached) break;
        const auto now = cgroup_id_of(folder);
        if ((now && *now == id) || tries == most_tries) return attached;
        drop_governed(id);
    }
    repaired.push_back(fmt::format("cgroup {} is governed again", path));
    std::erase_if(governed_, [&](const std::string& below) {
        if (below == path || !is_within(below, path)) return false;
        if (const auto inner = cgroup_id_of(cgroup_folder(identities_.paths().root(), below))) drop_governed(*inner);
        return true;
    });
    governed_.insert(path);
    return {};
}

Result<> KernelRedirect::govern_units(const std::vector<std::string>& patterns) {
    {
        const std::lock_guard lock(mutex_);
        unit_patterns_ = patterns;
    }
    const auto done = check();
    if (!done) return std::unexpected(done.error());
    return {};
}

Result<> KernelRedirect::govern_cgroups(const std::vector<std::string>& patterns) {
    {
        const std::lock_guard lock(mutex_);
        path_patterns_ = patterns;
    }
    const auto done = check();
    if (!done) return std::unexpected(done.error());
    return {};
}

Result<> KernelRedirect::govern_now(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto folder = cgroup_folder(identities_.paths().root(), path);
    if (path_below_root(folder) != path || !std::filesystem::exists(folder))
        return fail(Errc::not_found, fmt::format("there is no cgroup {}", path));
    if (is_within(daemon_path_, path))
        return fail(Errc::invalid, fmt::format("{} holds the daemon itself: it cannot be governed", path));
    if (is_detached_) return fail(Errc::unavailable, "root has detached everything: start assentd again");
    std::vector<std::string> repaired;
    return repair(path, false, repaired);
}

std::vector<std::string> KernelRedirect::cgroups_of_unit(const std::string& unit) {
    const std::lock_guard lock(mutex_);
    return watch_.matching({literal_glob(unit)});
}

void KernelRedirect::drop_governed(std::uint64_t cgroup_id) {
    gate_.forget(cgroup_id);
    drop_links(pins_.governed(cgroup_id));
    guard_.forget(cgroup_id);
}

void KernelRedirect::drop_gone() {
    for (const auto id : pinned_cgroups(pins_)) {
        const auto path = identities_.paths().path_of(id);
        if (!path && path.error().code == Errc::not_found) drop_governed(id);
    }
    std::erase_if(governed_, [&](const std::string& path) {
        return !std::filesystem::exists(cgroup_folder(identities_.paths().root(), path));
    });
}

Result<> KernelRedirect::govern_found(const std::vector<std::string>& paths, std::vector<std::string>& repaired) {
    Result<> first;
    for (const auto& path : paths) {
        if (is_within(daemon_path_, path)) continue;
        auto done = repair(path, false, repaired);
        if (!done && first && std::filesystem::exists(cgroup_folder(identities_.paths().root(), path)))
            first = std::move(done);
    }
    return first;
}

Result<std::vector<std::string>> KernelRedirect::check() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> repaired;
    if (is_detached_) return repaired;
    if (!std::filesystem::exists(pins_.folder)) {
        is_detached_ = true;
        governed_.clear();
        repaired.push_back(
            fmt::format("{} is gone: root has detached everything, and no agent is governed", pins_.folder.string()));
        return repaired;
    }
    // What cannot be made good does not keep the rest from being looked after.
    std::optional<Error> first;
    const auto note = [&](const auto& done) {
        if (!done && !first) first = done.error();
        return done.has_value();
    };
    for (const auto& path : wanted_) note(repair(path, true, repaired));
    for (const auto& found : {watch_.matching(unit_patterns_), watch_.matching_paths(path_patterns_)})
        note(govern_found(found, repaired));
    drop_gone();
    if (!has_unix()) note(write_unix_files());
    if (const auto is_closed_again = gate_.repair(pins_); note(is_closed_again) && *is_closed_again)
        repaired.emplace_back("programs of the gate were unpinned: attached again");
    if (const auto is_held_again = guard_.repair(pins_, programs_); note(is_held_again) && *is_held_again)
        repaired.emplace_back("programs of the security module were unpinned: attached again");
    if (first) return std::unexpected(*first);
    return repaired;
}

Result<Origin> KernelRedirect::origin_of(int accepted_descriptor) const {
    assent_origin origin{};
    if (bpf_map_lookup_elem(accepted_, &accepted_descriptor, &origin) != 0) {
        if (errno == ENOENT)
            return fail(Errc::not_found, "this connection was not redirected: it came to the proxy's port by itself");
        return fail_errno("looking up a connection's origin", errno);
    }
    return to_origin(origin);
}

Origin KernelRedirect::to_origin(const assent_origin& origin) const {
    Origin out{.asked_for = {to_model(origin.asked_for), origin.port}, .agent = identities_.agent_of(origin.who)};
    out.agent.network = networks_.inode_of(origin.netns_cookie);
    return out;
}

Result<Origin> KernelRedirect::unix_origin_of(int accepted_descriptor, const std::string& asked_for) const {
    const auto who = identify_unix_peer(accepted_descriptor, identities_.paths().root());
    if (!who) return std::unexpected(who.error());
    if (!is_governed(who->cgroup_id))
        return fail(Errc::denied, "this connection came to the proxy's own socket by itself, not from an agent");
    return Origin{.asked_for = {{}, 0, asked_for}, .agent = identities_.agent_of(*who)};
}

Result<> KernelRedirect::set_unix_rules(const std::vector<UnixRule>& rules, bool others_pass) {
    const std::lock_guard lock(mutex_);
    if (!has_unix()) {
        unix_rules_ = rules;
        if (auto written = write_unix_files(); !written) return written;
        return guard_.close_unix(!others_pass);
    }
    std::vector<std::pair<assent_unix_name, assent_unix_rule>> wanted;
    for (const auto& rule : rules) {
        const auto name = unix_name(rule.name);
        if (!name || rule.proxy.native().size() >= ASSENT_UNIX_NAME)
            return fail(Errc::invalid, fmt::format("'{}' is no name of a unix socket, or too long", rule.name));
        wanted.emplace_back(*name, unix_rule(rule));
    }
    if (others_pass)
        wanted.emplace_back(assent_unix_name{}, unix_rule({.name = {}, .action = UnixRule::Action::pass, .proxy = {}}));
    return replace_contents(programs_.map("unix_rules"), wanted, "the rules of unix sockets");
}

Result<> KernelRedirect::write_unix_files() const {
    return replace_contents(programs_.map("unix_sockets"), unix_files(unix_rules_), "the unix sockets that are passed");
}

Result<Origin> KernelRedirect::sender_of(const model::Endpoint& source, std::uint16_t proxy_port,
                                         std::uint64_t network_cookie) const {
    assent_pending_key key{};
    key.source = to_kernel(source.address);
    key.netns_cookie = network_cookie;
    key.source_port = source.port;
    key.proxy_port = proxy_port;
    assent_origin sender{};
    if (bpf_map_lookup_elem(senders_, &key, &sender) != 0) {
        if (errno == ENOENT) return fail(Errc::not_found, "no agent sent this query");
        return fail_errno("looking up the sender of a query", errno);
    }
    // The socket may be gone, and its port another process's, that nobody governs.
    const auto age = std::chrono::steady_clock::now().time_since_epoch() - std::chrono::nanoseconds(sender.time_ns);
    if (age > longest_queue) return fail(Errc::not_found, "no agent sent this query lately");
    return to_origin(sender);
}

bool KernelRedirect::is_governed(std::uint64_t cgroup_id) const {
    auto path = identities_.names_of(cgroup_id).path;
    if (path.empty()) {
        // Who cannot be placed may be an agent, and must not be taken for a person.
        const auto found = identities_.paths().path_of(cgroup_id);
        if (!found) return found.error().code != Errc::not_found;
        path = *found;
    }
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(governed_, [&](const std::string& top) { return is_within(path, top); });
}

std::vector<std::string> KernelRedirect::governed() const {
    const std::lock_guard lock(mutex_);
    return {governed_.begin(), governed_.end()};
}

std::vector<std::string> KernelRedirect::degradations() const {
    const std::lock_guard lock(mutex_);
    return degradations_;
}

int KernelRedirect::seen(void* context, void* data, std::size_t size) {
    auto* self = static_cast<KernelRedirect*>(context);
    assent_event raw{};
    if (size < sizeof(raw) || self->each_ == nullptr) return 0;
    std::memcpy(&raw, data, sizeof(raw));
    Event event;
    event.kind = kind_of(raw.kind);
    event.agent = self->identities_.agent_of(raw.who);
    event.address = {to_model(raw.address), raw.port};
    event.family = static_cast<int>(raw.family);
    event.socket_type = static_cast<int>(raw.socket_type);
    event.protocol = static_cast<int>(raw.protocol);
    if (raw.kind == ASSENT_REFUSED_PROCESS) {
        event.other_process = static_cast<pid_t>(raw.socket_type);
        event.signal = static_cast<int>(raw.protocol);
        event.socket_type = event.protocol = 0;
    }
    if (raw.kind == ASSENT_ASKS_FOR_NETWORK) {
        event.network_cookie = raw.address.words[0] | std::uint64_t{raw.address.words[1]} << 32U;
        event.thread = static_cast<pid_t>(raw.socket_type);
        event.address = {};
        event.socket_type = 0;
    }
    if (raw.kind == ASSENT_REFUSED_UNIX && size >= sizeof(assent_unix_event)) {
        assent_unix_event whole{};
        std::memcpy(&whole, data, sizeof(whole));
        event.address = {{}, 0, to_text(whole.name)};
    }
    (*self->each_)(event);
    // An agent could fill the ring as fast as it is read, and nothing else would ever be done.
    return --self->events_left_ == 0 ? -ECANCELED : 0;
}

Result<> KernelRedirect::poll_events(int timeout_ms, const std::function<void(const Event&)>& each) {
    std::array<pollfd, 2> waited{pollfd{ring_buffer__epoll_fd(rings_), POLLIN, 0}, pollfd{watch_.descriptor(), POLLIN, 0}};
    if (::poll(waited.data(), waited.size(), timeout_ms) < 0 && errno != EINTR)
        return fail_errno("waiting for kernel events", errno);
    Result<> checked;
    if (watch_.drain())
        if (auto found = check(); !found) checked = std::unexpected(found.error());
    each_ = &each;
    events_left_ = limits::events_at_once;
    const int consumed = ring_buffer__consume(rings_);
    each_ = nullptr;
    if (consumed < 0 && consumed != -ECANCELED) return fail_errno("reading kernel events", -consumed);
    return checked;
}

std::uint64_t KernelRedirect::lost_events() const {
    const std::uint32_t zero = 0;
    std::uint64_t count = 0;
    return bpf_map_lookup_elem(programs_.map("lost"), &zero, &count) == 0 ? count : 0;
}

std::vector<Redirect::CutEvents> KernelRedirect::take_cut_events() {
    std::vector<CutEvents> out;
    std::map<std::uint64_t, std::uint64_t> now;
    const int voices = programs_.map("voices");
    std::uint64_t cgroup_id = 0;
    const std::uint64_t* before = nullptr;
    // Entries may go while they are read, and the walk then begins anew; so it is bounded.
    for (std::size_t i = 0; i < 2 * ASSENT_VOICES && bpf_map_get_next_key(voices, before, &cgroup_id) == 0; ++i) {
        before = &cgroup_id;
        assent_voice voice{};
        if (bpf_map_lookup_elem(voices, &cgroup_id, &voice) != 0 || voice.cut == 0) continue;
        now[cgroup_id] = voice.cut;
    }
    for (const auto& [id, cut] : now) {
        const auto known = cut_events_.find(id);
        // Less than before: it was forgotten meanwhile, and counted anew.
        const auto counted = known == cut_events_.end() || known->second > cut ? 0 : known->second;
        if (cut > counted) out.push_back({id, cut - counted});
    }
    cut_events_ = std::move(now);
    return out;
}

Result<std::vector<std::string>> KernelRedirect::detach() {
    const std::lock_guard lock(mutex_);
    is_detached_ = true;
    governed_.clear();
    return detach_all(pins_.folder.parent_path());
}

std::vector<std::string> KernelRedirect::lacks() const {
    std::vector<std::string> out;
    if (!guard_.is_active()) out.emplace_back("lsm");
    if (guard_.is_active())
        for (const auto& name : guard_.missing()) out.push_back("lsm/" + name);
    if (!has_unix()) out.emplace_back("connect_unix");
    if (!programs_.has("assent_getpeername4")) out.emplace_back("getpeername4");
    return out;
}

void KernelRedirect::find_degradations(bool was_mounted) {
    if (!has_unix())
        degradations_.emplace_back(
            guard_.is_active()
                ? "this kernel cannot redirect unix sockets (Linux 6.7 can): agents are refused those of targets as well"
                : "this kernel cannot govern unix sockets (Linux 6.7 can): agents reach those that their user may open");
    if (!programs_.has("assent_getpeername4"))
        degradations_.emplace_back(
            "this kernel does not take getpeername hooks: agents see the proxy's address as their peer's");
    if (was_mounted)
        degradations_.push_back(fmt::format("no BPF file system was mounted at {}: the daemon mounted one",
                                            pins_.folder.parent_path().string()));
    if (unprivileged_port_start() < ASSENT_PORT_LIMIT)
        degradations_.push_back(
            fmt::format("net.ipv4.ip_unprivileged_port_start is {}: ordinary users can take ports from there on",
                        unprivileged_port_start()));
}

}  // namespace

Result<std::unique_ptr<Redirect>> Redirect::open(const RedirectOptions& options) {
    const auto root = cgroup_root();
    if (!root) return std::unexpected(root.error());
    auto paths = CgroupPaths::open(*root);
    if (!paths) return std::unexpected(paths.error());
    const auto was_mounted = prepare_bpffs(options.bpffs);
    if (!was_mounted) return std::unexpected(was_mounted.error());
    const Pins pins(options.bpffs);
    auto programs = Programs::load(&pins);
    if (!programs) return std::unexpected(programs.error());
    const auto daemon = cgroup_id_of(options.daemon_cgroup);
    if (!daemon) return std::unexpected(daemon.error());
    // New maps know of no governed cgroup yet, and the programs of the security module hold only those that they know of.
    std::vector<GuardedCgroup> governed;
    for (const auto id : pinned_cgroups(pins))
        if (const auto path = paths->path_of(id)) governed.push_back({id, depth_of(*path)});
    auto guard = Guard::open(&pins, *programs, *daemon, governed);
    if (!guard) return std::unexpected(guard.error());
    auto gate = Gate::open(*programs, options.new_cgroups.are_held);
    auto out =
        std::make_unique<KernelRedirect>(pins, std::move(*programs), std::move(*guard), std::move(gate), std::move(*paths));
    if (auto started = out->start(options, *was_mounted); !started) return std::unexpected(started.error());
    return out;
}

Result<> try_programs() {
    const auto programs = Programs::load(nullptr);
    if (!programs) return std::unexpected(programs.error());
    return {};
}

std::vector<model::IpAddress> host_resolvers(const std::filesystem::path& file) {
    std::vector<model::IpAddress> out;
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        std::string address;
        if (!(words >> word >> address) || word != "nameserver") continue;
        // A link-local one carries its interface.
        if (const auto parsed = model::IpAddress::parse(address.substr(0, address.find('%')))) out.push_back(*parsed);
    }
    if (out.empty()) out.push_back(*model::IpAddress::parse("127.0.0.1"));
    return out;
}

std::vector<std::string> host_search_domains(const std::filesystem::path& file) {
    std::vector<std::string> out;
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        if (!(words >> word) || (word != "search" && word != "domain")) continue;
        out.clear();
        while (words >> word) out.push_back(word);
    }
    return out;
}

}  // namespace assent::kernel

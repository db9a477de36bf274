#include "kernel/networks.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>

#include <fmt/format.h>

#include "base/limits.h"
#include "kernel/cgroup.h"
#include "kernel/network_maps.h"
#include "kernel/network_namespace.h"

namespace assent::kernel {
namespace {

constexpr int deepest_cgroup = 32;
constexpr std::size_t failures_kept = 64;
constexpr std::size_t remembered_refusals = 16 * limits::networks;  // in others agents wait in vain

// Alone on its port, whatever others there say of sharing. Free binding: loopback has no address until it is raised.
Result<Fd> bind_alone(std::uint16_t port, bool is_v6, bool is_tcp) {
    Fd socket(::socket(is_v6 ? AF_INET6 : AF_INET, (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
    if (!socket.is_open() && is_v6 && errno == EAFNOSUPPORT) return fail(Errc::unsupported, "this kernel has no IPv6");
    if (!socket.is_open()) return fail_errno("socket", errno);
    const int on = 1;
    const int room = limits::dns_receive_buffer;
    const int family = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    bool is_set = ::setsockopt(socket.get(), family, is_v6 ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof(on)) == 0;
    if (is_v6) is_set = is_set && ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
    // Connections of an earlier listener may still be there.
    if (is_tcp) is_set = is_set && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
    if (!is_set) return fail_errno("setting up a socket", errno);
    if (!is_tcp) static_cast<void>(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)));
    const model::Endpoint endpoint{*model::IpAddress::parse(is_v6 ? "::1" : "127.0.0.1"), port};
    sockaddr_storage address{};
    const auto size = endpoint.to(address);
    const auto what = fmt::format("the proxy's port {} ({})", endpoint.to_text(), is_tcp ? "TCP" : "UDP");
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return fail_errno(what, errno);
    if (is_tcp && ::listen(socket.get(), SOMAXCONN) != 0) return fail_errno(what, errno);
    return socket;
}

Result<std::vector<Fd>> copies_of(const std::vector<Fd>& sockets) {
    std::vector<Fd> out;
    for (const auto& socket : sockets) {
        out.emplace_back(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
        if (!out.back().is_open()) return fail_errno("a descriptor", errno);
    }
    return out;
}

}  // namespace

bool Networks::Look::is_complete() const { return threads < limits::network_threads; }

Networks::Networks(Parts parts)
    : parts_(std::move(parts)), own_inode_(network_inode_of(::getpid())), cgroups_(cgroup_root().value_or("")) {}

Networks::~Networks() {
    for (auto& [inode, network] : networks_) parts_.redirect.networks().forget(network.cookie);
}

void Networks::look_into(const std::filesystem::path& cgroup, const std::string& agent, int depth, Look& look) const {
    std::ifstream threads(cgroup / "cgroup.threads");
    for (pid_t thread = 0; threads >> thread && look.is_complete(); ++look.threads) {
        const auto inode = thread == 0 ? 0 : network_inode_of(thread);
        if (inode != 0 && inode != own_inode_) look.networks.try_emplace(inode, Found{thread, agent});
    }
    std::error_code error;
    for (std::filesystem::directory_iterator it(cgroup, error), end; !error && it != end && depth > 0; it.increment(error)) {
        std::error_code gone;
        if (it->is_directory(gone)) look_into(it->path(), agent.empty() ? it->path().string() : agent, depth - 1, look);
    }
}

void Networks::asked(const Event& event) {
    const std::lock_guard lock(mutex_);
    if (is_served(event.network_cookie)) return;
    Look look;
    // What belongs together is counted as in look_around(): the cgroup below the governed one.
    const auto tops = parts_.redirect.governed();
    const auto top = std::ranges::find_if(tops, [&](const auto& each) { return is_within(event.agent.cgroup_path, each); });
    if (top == tops.end()) return;
    const auto below = std::filesystem::path(event.agent.cgroup_path).lexically_relative(*top);
    const auto agent = below == "." ? std::string() : (cgroup_folder(cgroups_, *top) / *below.begin()).string();
    if (const auto inode = network_inode_of(event.thread); inode != 0 && inode != own_inode_)
        look.networks.try_emplace(inode, Found{event.thread, agent});
    look_into(cgroup_folder(cgroups_, event.agent.cgroup_path), agent, 0, look);
    open_new(look);
    // Whoever asked may also be gone: then the next one asks again.
    const bool is_refused =
        std::ranges::any_of(look.networks, [&](const auto& each) { return refused_.contains(each.first); });
    if (is_refused && !is_served(event.network_cookie))
        parts_.redirect.networks().refuse(event.network_cookie, limits::network_refused);
}

Result<> Networks::prepare(pid_t process) {
    const auto inode = network_inode_of(process);
    if (inode == 0) return fail(Errc::not_found, fmt::format("process {} has ended", process));
    const std::lock_guard lock(mutex_);
    if (inode == own_inode_ || networks_.contains(inode)) return {};
    const auto path = cgroup_path_of_process(process);
    return open(inode, {process, path ? cgroup_folder(cgroups_, *path).string() : std::string()});
}

void Networks::look_around() {
    parts_.redirect.networks().beat();
    Look look;
    for (const auto& top : parts_.redirect.governed()) look_into(cgroup_folder(cgroups_, top), {}, deepest_cgroup, look);
    const std::lock_guard lock(mutex_);
    open_new(look);
    leave_unused(look);
}

void Networks::open_new(const Look& look) {
    const auto now = Clock::now();
    for (const auto& [inode, found] : look.networks) {
        if (networks_.contains(inode)) continue;
        if (const auto refused = refused_.find(inode); refused != refused_.end() && now < refused->second.until) continue;
        const auto opened = open(inode, found);
        if (!opened && opened.error().code == Errc::unavailable) return;
        if (!opened) refuse(inode, found, opened.error());
    }
}

Result<> Networks::open(std::uint64_t inode, const Found& found) {
    const auto now = Clock::now();
    if (now - second_ >= std::chrono::seconds(1)) {
        second_ = now;
        opened_this_second_ = 0;
    }
    if (++opened_this_second_ > limits::networks_opened_per_second)
        return fail(Errc::unavailable, "too many new network namespaces at once");
    const auto has = std::ranges::count_if(networks_, [&](const auto& each) { return each.second.agent == found.agent; });
    if (networks_.size() >= limits::networks || static_cast<std::size_t>(has) >= limits::networks_per_agent)
        return fail(Errc::limit, fmt::format("the daemon listens in {} network namespaces already, {} of this agent's",
                                             networks_.size(), has));
    const auto file = open_network_of(found.thread);
    if (!file) return std::unexpected(file.error());
    std::uint64_t cookie = 0;
    bool is_up = false;
    auto sockets = make_sockets(*file, cookie, is_up);
    if (!sockets) return std::unexpected(sockets.error());
    auto own = copies_of(sockets->tcp);
    if (!own) return std::unexpected(own.error());
    parts_.redirect.networks().name(cookie, inode);
    if (auto opened = parts_.opened(cookie, std::move(*sockets)); !opened) return opened;
    parts_.redirect.networks().refuse(cookie, Duration::zero());
    networks_.insert_or_assign(inode, Network{cookie, found.agent, std::move(*own), now});
    refused_.erase(inode);
    if (!is_up) fail_with(fmt::format("loopback is down in network namespace {}: agents there reach nothing", inode));
    return {};
}

Result<Networks::Sockets> Networks::make_sockets(const Fd& network, std::uint64_t& cookie, bool& is_up) const {
    Sockets out;
    const auto done = inside_network(network, [&]() -> Result<> {
        const auto own = own_network_cookie();
        if (!own) return std::unexpected(own.error());
        cookie = *own;
        is_up = is_loopback_up();
        for (const auto port : parts_.ports) {
            for (const bool is_v6 : {false, true}) {
                for (const bool is_tcp : {true, false}) {
                    auto socket = bind_alone(port, is_v6, is_tcp);
                    if (!socket && socket.error().code == Errc::unsupported) continue;
                    if (!socket) return std::unexpected(socket.error());
                    if (auto marked = parts_.redirect.networks().mark(socket->get()); !marked) return marked;
                    (is_tcp ? out.tcp : out.udp).push_back(std::move(*socket));
                }
            }
        }
        return {};
    });
    if (!done) {
        if (cookie != 0) parts_.redirect.networks().refuse(cookie, limits::network_refused);
        return std::unexpected(done.error());
    }
    return out;
}

void Networks::refuse(std::uint64_t inode, const Found& found, const Error& why) {
    if (why.code == Errc::not_found || refused_.size() >= remembered_refusals) return;
    auto& refused = refused_[inode];
    refused.until = Clock::now() + limits::network_refused;
    if (std::exchange(refused.is_told, true)) return;
    if (why.code == Errc::limit && !over_limit_.insert(found.agent).second) return;
    fail_with(fmt::format("agents cannot connect in network namespace {} (thread {}, {}): {}", inode, found.thread,
                          found.agent.empty() ? "a governed cgroup itself" : found.agent, why.message));
}

void Networks::leave_unused(const Look& look) {
    const auto now = Clock::now();
    std::erase_if(refused_,
                  [&](const auto& each) { return each.second.until < now && !look.networks.contains(each.first); });
    for (auto& [inode, network] : networks_)
        if (!look.is_complete() || look.networks.contains(inode)) network.last_used = now;
    std::erase_if(networks_, [&](auto& each) {
        auto& network = each.second;
        if (now - network.last_used < limits::network_unused) return false;
        for (const auto& socket : network.tcp) ::shutdown(socket.get(), SHUT_RDWR);
        parts_.closed(network.cookie);
        parts_.redirect.networks().forget(network.cookie);
        over_limit_.clear();
        return true;
    });
}

std::vector<std::string> Networks::take_failures() {
    const std::lock_guard lock(mutex_);
    return std::exchange(failures_, {});
}

std::size_t Networks::count() const {
    const std::lock_guard lock(mutex_);
    return networks_.size();
}

bool Networks::is_served(std::uint64_t cookie) const {
    return std::ranges::any_of(networks_, [&](const auto& each) { return each.second.cookie == cookie; });
}

void Networks::fail_with(std::string sentence) {
    if (failures_.size() < failures_kept) failures_.push_back(std::move(sentence));
}

}  // namespace assent::kernel

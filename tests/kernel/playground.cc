#include "kernel/playground.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include <fmt/format.h>

#include "kernel/cgroup.h"
#include "kernel/ports.h"

namespace assent::kernel_tests {
namespace {

constexpr std::string_view prefix = "assent-test-";

void require(bool is_true, const std::string& what) {
    if (is_true) return;
    std::cerr << "kernel tests: " << what << ": " << std::strerror(errno) << " (they need root)\n";
    std::exit(1);
}

void remove_cgroup(const std::filesystem::path& folder) {
    std::error_code error;
    for (auto it = std::filesystem::directory_iterator(folder, error); !error && it != std::filesystem::directory_iterator();
         it.increment(error))
        if (it->is_directory()) remove_cgroup(it->path());
    ::rmdir(folder.c_str());
}

void remove_leftovers(const std::filesystem::path& root) {
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
        const auto name = entry.path().filename().string();
        pid_t pid = 0;
        if (!name.starts_with(prefix)) continue;
        std::from_chars(name.data() + prefix.size(), name.data() + name.size(), pid);
        if (pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) remove_cgroup(entry.path());
    }
}

void make_private_namespaces() {
    static bool is_done = false;
    if (is_done) return;
    is_done = true;
    require(::unshare(CLONE_NEWNS | CLONE_NEWNET) == 0, "mount and network namespaces");
    raise_loopback();
    require(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
}

}  // namespace

void raise_loopback() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::string_view("lo").copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP;
    require(::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0, "raising the loopback interface");
}

Playground::Playground() {
    make_private_namespaces();
    const auto root = kernel::cgroup_root();
    require(root.has_value(), "cgroup 2");
    remove_leftovers(*root);
    static int count = 0;
    top_ = *root / fmt::format("{}{}.slice", prefix, ::getpid());
    daemon_ = top_ / fmt::format("daemon-{}", ++count);
    governed_ = top_ / fmt::format("agents-{}.slice", count);
    std::filesystem::create_directories(daemon_);
    std::filesystem::create_directories(governed_);
    std::array<char, 32> name{"/tmp/assent-bpffs-XXXXXX"};
    require(::mkdtemp(name.data()) != nullptr, "a folder");
    bpffs_ = name.data();
    enter(daemon_);
    const auto ports = kernel::choose_ports(3, bpffs_);
    require(ports.has_value(), "proxy ports");
    ports_ = *ports;
}

Playground::~Playground() {
    listeners_.clear();
    static_cast<void>(kernel::detach_all(bpffs_));
    ::umount2(bpffs_.c_str(), MNT_DETACH);
    ::rmdir(bpffs_.c_str());
    enter(*kernel::cgroup_root());
    remove_cgroup(top_);
}

kernel::RedirectOptions Playground::options() const {
    return {.bpffs = bpffs_,
            .ports = ports_,
            .daemon_cgroup = daemon_,
            .ends_earlier_sockets = true,
            .new_cgroups = {.are_held = false, .top = top_, .slices = {}, .units = {}, .cgroups = {}}};
}

std::unique_ptr<kernel::Redirect> Playground::open() const {
    auto opened = kernel::Redirect::open(options());
    require(opened.has_value(), opened ? "" : opened.error().message);
    return std::move(*opened);
}

void Playground::listen() {
    for (const auto port : ports_) {
        for (const auto* ip : {"127.0.0.1", "::1"}) {
            socklen_t size = 0;
            const auto address = address_of(ip, port, size);
            Fd socket(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            const int on = 1;
            ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
            require(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0,
                    fmt::format("bind {}:{}", ip, port));
            require(::listen(socket.get(), 1024) == 0, "listen");
            listeners_.push_back(std::move(socket));
        }
    }
}

Fd Playground::accept(int timeout_ms) const {
    std::vector<pollfd> waited;
    for (const auto& listener : listeners_) waited.push_back({listener.get(), POLLIN, 0});
    if (::poll(waited.data(), waited.size(), timeout_ms) <= 0) return {};
    for (const auto& one : waited)
        if ((one.revents & POLLIN) != 0) return Fd(::accept4(one.fd, nullptr, nullptr, SOCK_CLOEXEC));
    return {};
}

void enter(const std::filesystem::path& cgroup) {
    const Fd members(::open((cgroup / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    require(members.is_open() && ::write(members.get(), "0", 1) == 1, "entering " + cgroup.string());
}

Child::Child(const std::filesystem::path& cgroup, const std::function<std::string()>& work) {
    std::array<int, 2> ends{};
    require(::pipe2(ends.data(), O_CLOEXEC) == 0, "pipe");
    output_ = Fd(ends[0]);
    const Fd input(ends[1]);
    pid_ = ::fork();
    require(pid_ >= 0, "fork");
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGPIPE, SIG_IGN);
    if (!cgroup.empty()) enter(cgroup);
    const auto text = work();
    static_cast<void>(!::write(input.get(), text.data(), text.size()));
    ::_exit(0);
}

Child::~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

std::string Child::finish() {
    std::string out;
    std::array<char, 4096> buffer{};
    for (ssize_t size = 0; (size = ::read(output_.get(), buffer.data(), buffer.size())) > 0;)
        out.append(buffer.data(), static_cast<std::size_t>(size));
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    return out;
}

std::string inside(const std::filesystem::path& cgroup, const std::function<std::string()>& work) {
    return Child(cgroup, work).finish();
}

sockaddr_storage address_of(const std::string& ip, std::uint16_t port, socklen_t& size) {
    sockaddr_storage out{};
    // model::IpAddress folds v4-mapped addresses, and here they matter.
    if (ip.find(':') != std::string::npos) {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&out);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        require(::inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) == 1, ip);
        size = sizeof(*v6);
        return out;
    }
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    require(::inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1, ip);
    size = sizeof(*v4);
    return out;
}

std::string error_name(int error) { return error == 0 ? "connected" : ::strerrorname_np(error); }

std::string connect_to(const std::string& ip, std::uint16_t port, Fd& socket) {
    socklen_t size = 0;
    const auto address = address_of(ip, port, size);
    if (!socket.is_open()) socket = Fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return "socket " + error_name(errno);
    return error_name(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 ? 0 : errno);
}

std::string peer_of(int socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return error_name(errno);
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.ss_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
        ::inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
        return fmt::format("[{}]:{}", text.data(), ntohs(v6->sin6_port));
    }
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), ntohs(v4->sin_port));
}

}  // namespace assent::kernel_tests

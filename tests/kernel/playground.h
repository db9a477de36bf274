// A place to try the kernel side in: cgroups, a BPF file system, and mount and network namespaces of its own, so that
// nothing is left when the test process ends, however it ends (empty cgroup folders are removed by the next test).
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "kernel/redirect.h"

namespace assent::kernel_tests {

class Playground {
public:
    Playground();
    ~Playground();
    Playground(const Playground&) = delete;
    Playground& operator=(const Playground&) = delete;

    [[nodiscard]] kernel::RedirectOptions options() const;
    [[nodiscard]] std::unique_ptr<kernel::Redirect> open() const;  // with options(); ends the test program when it cannot
    // Holds the other two, and the gate is there.
    [[nodiscard]] const std::filesystem::path& top() const { return top_; }
    [[nodiscard]] const std::filesystem::path& daemon() const { return daemon_; }
    [[nodiscard]] const std::filesystem::path& governed() const { return governed_; }
    [[nodiscard]] const std::filesystem::path& bpffs() const { return bpffs_; }
    [[nodiscard]] const std::vector<std::uint16_t>& ports() const { return ports_; }

    // Non-blocking listeners on every proxy port, IPv4 and IPv6.
    void listen();
    void stop_listening() { listeners_.clear(); }
    // The next connection to the proxy; not open after a second without one.
    [[nodiscard]] Fd accept(int timeout_ms = 1000) const;
    // And none is waited for.
    [[nodiscard]] Fd accept_now() const { return accept(0); }

private:
    std::filesystem::path top_;
    std::filesystem::path daemon_;
    std::filesystem::path governed_;
    std::filesystem::path bpffs_;
    std::vector<std::uint16_t> ports_;
    std::vector<Fd> listeners_;
};

// Runs `work` in a child process inside a cgroup (an empty path: where we are); gives what it returned.
[[nodiscard]] std::string inside(const std::filesystem::path& cgroup, const std::function<std::string()>& work);

// A child inside a cgroup that goes on until finish(), which gives what it returned. It is killed with its owner.
class Child {
public:
    Child(const std::filesystem::path& cgroup, const std::function<std::string()>& work);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    [[nodiscard]] std::string finish();
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    pid_t pid_ = -1;
    Fd output_;
};

// In the calling process's network namespace.
void raise_loopback();

// Moves the calling process.
void enter(const std::filesystem::path& cgroup);

[[nodiscard]] sockaddr_storage address_of(const std::string& ip, std::uint16_t port, socklen_t& size);
// For what an agent binds: below the range of which the kernel gives ports to others.
constexpr std::uint16_t agent_port = 15678;
// A socket of the right family, connected; "connected" or the name of the error. `socket` gets it.
[[nodiscard]] std::string connect_to(const std::string& ip, std::uint16_t port, Fd& socket);
[[nodiscard]] std::string error_name(int error);
[[nodiscard]] std::string peer_of(int socket);

}  // namespace assent::kernel_tests

// `assent run`: where its command goes, as whom, and what it can still do.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/cgroup.h"
#include "kernel/confine.h"
#include "kernel/identity.h"
#include "kernel/playground.h"
#include "kernel/runs.h"

namespace assent::kernel_tests {
namespace {

// A process that waits to be moved, then works.
class Waiting {
public:
    explicit Waiting(const std::function<std::string()>& work) {
        EXPECT_EQ(::pipe2(gate_.data(), O_CLOEXEC), 0);
        child_ = std::make_unique<Child>(std::filesystem::path(), [this, work] {
            char byte = 0;
            ::close(gate_[1]);
            static_cast<void>(!::read(gate_[0], &byte, 1));
            return work();
        });
        ::close(gate_[0]);
    }
    ~Waiting() {
        if (gate_[1] >= 0) ::close(gate_[1]);
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    [[nodiscard]] pid_t pid() const { return child_->pid(); }
    std::string go() {
        ::close(gate_[1]);
        gate_[1] = -1;
        return child_->finish();
    }

private:
    std::array<int, 2> gate_{-1, -1};
    std::unique_ptr<Child> child_;
};

std::string status_line(const std::string& key) {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(key + ":")) return line.substr(line.find_first_not_of(" \t", key.size() + 1));
    return {};
}

class Running : public ::testing::Test {
protected:
    void SetUp() override {
        redirect = place.open();
        place.listen();
        ASSERT_TRUE(redirect->govern(place.governed()).has_value());
        auto opened = kernel::Runs::open(place.governed(), file);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        runs = std::move(*opened);
    }
    void TearDown() override { ::unlink(file.c_str()); }

    Result<kernel::RunStarted> start(pid_t pid, const std::string& name, const std::string& purpose = {}) {
        const kernel::RunRequest request{name, purpose, pid, kernel::start_ticks_of(pid), 0, 65534};
        return runs->start(
            request, [this](std::uint64_t id) { return redirect->is_governed(id); },
            [](std::string_view run, std::string_view runner) { return run != "payroll" && runner == "nobody"; });
    }

    Playground place;
    std::unique_ptr<kernel::Redirect> redirect;
    std::unique_ptr<kernel::Runs> runs;
    std::filesystem::path file = fmt::format("/tmp/assent-runs-{}.json", ::getpid());
};

TEST_F(Running, a_run_has_a_cgroup_a_name_and_a_runner) {
    Waiting process([] {
        Fd socket;
        return connect_to("10.9.8.7", 5432, socket);
    });
    const auto started = start(process.pid(), "nightly", "clean up");
    ASSERT_TRUE(started.has_value()) << started.error().message;
    EXPECT_FALSE(started->kept_outer);
    EXPECT_TRUE(started->cgroup_path.ends_with("/run-nightly-1.scope")) << started->cgroup_path;
    EXPECT_EQ(started->runner, "nobody");
    EXPECT_EQ(process.go(), "connected");
    const auto accepted = place.accept();
    ASSERT_TRUE(accepted.is_open());
    auto origin = redirect->origin_of(accepted.get());
    ASSERT_TRUE(origin.has_value());
    runs->describe(origin->agent);
    EXPECT_EQ(origin->agent.name(), "nightly");
    EXPECT_EQ(origin->agent.runner, "nobody");
    EXPECT_EQ(origin->agent.runner_uid, 65534U);
    EXPECT_EQ(origin->agent.purpose, "clean up");
}

TEST_F(Running, what_it_makes_below_its_cgroup_is_still_that_run) {
    Waiting process([] { return std::string(); });
    const auto started = start(process.pid(), "nightly");
    ASSERT_TRUE(started.has_value());
    model::Agent agent;
    agent.cgroup_path = started->cgroup_path + "/payroll.scope/deeper";
    runs->describe(agent);
    EXPECT_EQ(agent.run_name, "nightly");
    agent = {};
    agent.cgroup_path = started->cgroup_path + "x";
    runs->describe(agent);
    EXPECT_EQ(agent.run_name, "");
}

TEST_F(Running, a_run_inside_a_run_keeps_the_outer_identity) {
    Waiting process([] { return std::string(); });
    const auto outer = start(process.pid(), "nightly");
    ASSERT_TRUE(outer.has_value());
    // Even under a name that it may not have: nothing changes.
    const auto inner = start(process.pid(), "payroll");
    ASSERT_TRUE(inner.has_value());
    EXPECT_TRUE(inner->kept_outer);
    EXPECT_EQ(inner->cgroup_path, outer->cgroup_path);
}

TEST_F(Running, names_are_for_their_runners_only) {
    Waiting process([] { return std::string(); });
    const auto refused = start(process.pid(), "payroll");
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::denied);
    EXPECT_EQ(start(process.pid(), "../escape").error().code, Errc::invalid);
    EXPECT_EQ(start(process.pid(), "nightly", std::string(1001, 'x')).error().code, Errc::invalid);
    EXPECT_TRUE(kernel::cgroup_path_of_process(process.pid())->ends_with(place.daemon().filename().string()));
}

TEST_F(Running, a_later_process_with_the_same_number_is_not_moved) {
    Waiting process([] { return std::string(); });
    const kernel::RunRequest request{"nightly", {}, process.pid(), kernel::start_ticks_of(process.pid()) + 1, 0, 65534};
    const auto refused = runs->start(
        request, [](std::uint64_t) { return false; }, [](auto, auto) { return true; });
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::not_found);
    EXPECT_TRUE(kernel::cgroup_path_of_process(process.pid())->ends_with(place.daemon().filename().string()));
}

TEST_F(Running, runs_are_known_to_the_next_daemon_and_collected_when_they_end) {
    Waiting process([] { return std::string(); });
    const auto started = start(process.pid(), "nightly", "clean up");
    ASSERT_TRUE(started.has_value());
    EXPECT_TRUE(runs->collect().empty());
    auto next = kernel::Runs::open(place.governed(), file);
    ASSERT_TRUE(next.has_value()) << next.error().message;
    const auto found = (*next)->find(started->cgroup_path);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->name, "nightly");
    EXPECT_EQ(found->purpose, "clean up");
    static_cast<void>(process.go());
    const auto ended = (*next)->collect();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended.front().name, "nightly");
    EXPECT_FALSE(std::filesystem::exists(kernel::cgroup_folder(*kernel::cgroup_root(), started->cgroup_path)));
    EXPECT_FALSE((*next)->find(started->cgroup_path).has_value());
    // Numbers are not used twice, so an old path never means a new run.
    Waiting other([] { return std::string(); });
    runs = std::move(*next);
    EXPECT_TRUE(start(other.pid(), "nightly")->cgroup_path.ends_with("-2.scope"));
}

std::string socket_result(int family, int type, int protocol) {
    const Fd socket(::socket(family, type | SOCK_CLOEXEC, protocol));
    return socket.is_open() ? "open" : error_name(errno);
}

// Runs `check` in a process that is confined as `assent run` does it.
std::string confined(const std::function<std::string()>& check) {
    // The result cannot come back by a pipe: every descriptor is closed. Standard error stays.
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    Child child({}, [&]() -> std::string {
        ::dup2(ends[1], 2);
        const auto done = kernel::confine(*kernel::account_of("nobody"));
        const auto text = done ? check() : done.error().message;
        static_cast<void>(!::write(2, text.data(), text.size()));
        ::_exit(0);
    });
    ::close(ends[1]);
    std::string out;
    std::array<char, 512> buffer{};
    for (ssize_t size = 0; (size = ::read(ends[0], buffer.data(), buffer.size())) > 0;)
        out.append(buffer.data(), static_cast<std::size_t>(size));
    ::close(ends[0]);
    static_cast<void>(child.finish());
    return out;
}

TEST(Confining, leaves_no_privilege) {
    EXPECT_EQ(confined([] { return fmt::format("{} {}", ::getuid(), ::getgroups(0, nullptr)); }), "65534 1");
    EXPECT_EQ(confined([] { return status_line("NoNewPrivs"); }), "1");
    for (const auto* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
        EXPECT_EQ(confined([set] { return status_line(set); }), "0000000000000000") << set;
    EXPECT_EQ(confined([] { return ::setuid(0) == 0 ? std::string("root") : error_name(errno); }), "EPERM");
}

TEST(Confining, leaves_only_sockets_that_can_be_governed) {
    EXPECT_EQ(confined([] { return socket_result(AF_INET, SOCK_STREAM, 0); }), "open");
    EXPECT_EQ(confined([] { return socket_result(AF_INET6, SOCK_DGRAM, 0); }), "open");
    EXPECT_EQ(confined([] { return socket_result(AF_UNIX, SOCK_STREAM, 0); }), "open");
    EXPECT_EQ(confined([] { return socket_result(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); }), "open");
    EXPECT_EQ(confined([] { return socket_result(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT); }), "EAFNOSUPPORT");
    EXPECT_EQ(confined([] { return socket_result(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT); }), "EAFNOSUPPORT");
    for (const int family : {AF_UNSPEC, AF_PACKET, AF_VSOCK, AF_ALG, AF_KEY, AF_XDP, AF_SMC, AF_TIPC, AF_CAN, AF_BLUETOOTH,
                             45, 46, 63, 64, 1 << 20, -1})
        EXPECT_EQ(confined([family] { return socket_result(family, SOCK_STREAM, 0); }), "EAFNOSUPPORT") << family;
    // The kernel cuts the number to 32 bits, and the filter must too.
    EXPECT_EQ(confined([] {
                  const auto made = ::syscall(SYS_socket, (1L << 32) | AF_VSOCK, SOCK_STREAM, 0L);
                  return made >= 0 ? std::string("open") : error_name(errno);
              }),
              "EAFNOSUPPORT");
}

TEST(Confining, leaves_no_way_round_the_filter) {
    EXPECT_EQ(confined([] {
                  std::array<char, 256> parameters{};
                  return ::syscall(SYS_io_uring_setup, 4, parameters.data()) >= 0 ? std::string("ring") : error_name(errno);
              }),
              "EPERM");
    EXPECT_EQ(confined([] { return ::syscall(SYS_bpf, 0, nullptr, 0) >= 0 ? std::string("map") : error_name(errno); }),
              "EPERM");
    EXPECT_EQ(confined([] {
                  return ::syscall(SYS_ptrace, 16, ::getppid(), 0, 0) == 0 ? std::string("traced") : error_name(errno);
              }),
              "EPERM");
    // Typed into the terminal, it would run in the shell that started the run.
    for (const std::uint64_t request :
         {std::uint64_t{TIOCSTI}, std::uint64_t{TIOCSTI} | std::uint64_t{1} << 32U, std::uint64_t{TIOCLINUX}})
        EXPECT_EQ(confined([request] {
                      const Fd terminal(::open("/dev/ptmx", O_RDWR | O_CLOEXEC));
                      return ::syscall(SYS_ioctl, terminal.get(), request, "x") == 0 ? std::string("typed")
                                                                                     : error_name(errno);
                  }),
                  "EPERM");
#ifdef __x86_64__
    // The x32 numbers of the same calls: the process is killed before it can say anything.
    EXPECT_EQ(confined([] {
                  return ::syscall(0x40000000 + SYS_socket, AF_VSOCK, SOCK_STREAM, 0) >= 0 ? std::string("open")
                                                                                           : error_name(errno);
              }),
              "");
#endif
}

// As in a container whose filter of system calls knows nothing of Landlock.
void forbid_landlock() {
    std::array<sock_filter, 4> code{sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
                                    {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_landlock_create_ruleset},
                                    {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
                                    {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    const sock_fprog program{code.size(), code.data()};
    EXPECT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    EXPECT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

TEST(Confining, goes_on_without_landlock_where_it_is_forbidden) {
    const auto said = inside({}, [] {
        forbid_landlock();
        const auto done = kernel::separate_from_others();
        return !done ? done.error().message : *done ? std::string("separated") : std::string("not separated");
    });
    EXPECT_EQ(said, "not separated");
}

TEST(Confining, closes_what_was_open_before) {
    const Fd outside(::socket(AF_INET, SOCK_DGRAM, 0));
    const int descriptor = ::fcntl(outside.get(), F_DUPFD, 100);
    EXPECT_EQ(confined([descriptor] { return ::fcntl(descriptor, F_GETFD) == 0 ? std::string("open") : error_name(errno); }),
              "EBADF");
    ::close(descriptor);
}

TEST(Confining, refuses_a_network_socket_as_standard_input) {
    EXPECT_TRUE(inside({}, [] {
                    const Fd outside(::socket(AF_INET, SOCK_STREAM, 0));
                    ::dup2(outside.get(), 0);
                    const auto checked = kernel::check_standard_streams();
                    return checked ? std::string("taken") : checked.error().message;
                }).starts_with("standard input is a network socket"));
}

}  // namespace
}  // namespace assent::kernel_tests

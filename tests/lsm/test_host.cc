// What a governed process as root would do to the host to get free: leave its cgroup, reach into other processes, take the
// programs away. Closed with BPF LSM, and open without it.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "kernel/cgroup.h"
#include "lsm/held.h"

namespace assent::lsm_tests {
namespace {

std::string write_to(const std::filesystem::path& file) {
    const Fd opened(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!opened.is_open()) return "open " + error_name(errno);
    return ::write(opened.get(), "0", 1) == 1 ? "moved" : error_name(errno);
}

TEST_F(Held, no_governed_process_leaves_its_cgroup) {
    for (const auto& name : {"cgroup.procs", "cgroup.threads"}) {
        EXPECT_EQ(governed([&] { return write_to(place.daemon() / name); }) == "EPERM", is_held()) << name;
    }
    const auto root = kernel::cgroup_root();
    ASSERT_TRUE(root.has_value());
    EXPECT_EQ(governed([&] { return write_to(*root / "cgroup.procs"); }), is_held() ? "EPERM" : "moved");
    EXPECT_EQ(inside({},
                     [&]() -> std::string {
                         const Fd before(::open((*root / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
                         enter(place.governed());
                         return ::write(before.get(), "0", 1) == 1 ? "moved" : error_name(errno);
                     }),
              is_held() ? "EPERM" : "moved");
    if (is_held()) {
        EXPECT_TRUE(was_told(Kind::refused_cgroup));
    }
}

TEST_F(Held, a_governed_process_may_go_further_down) {
    const auto below = place.governed() / "below";
    EXPECT_EQ(governed([&]() -> std::string {
                  if (::mkdir(below.c_str(), 0755) != 0) return error_name(errno);
                  const auto moved = write_to(below / "cgroup.procs");
                  return moved + " " + write_to(place.governed() / "cgroup.procs");
              }),
              is_held() ? "moved EPERM" : "moved moved");
}

TEST_F(Held, no_child_starts_in_another_cgroup) {
    EXPECT_EQ(governed([&]() -> std::string {
                  const Fd other(::open(place.daemon().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
                  clone_args arguments{};
                  arguments.flags = CLONE_INTO_CGROUP;
                  arguments.exit_signal = SIGCHLD;
                  arguments.cgroup = static_cast<__u64>(other.get());
                  const auto child = ::syscall(SYS_clone3, &arguments, sizeof(arguments));
                  if (child == 0) ::_exit(0);
                  if (child < 0) return error_name(errno);
                  ::waitpid(static_cast<pid_t>(child), nullptr, 0);
                  return "started";
              }),
              is_held() ? "EPERM" : "started");
}

TEST_F(Held, no_governed_process_reaches_into_one_that_is_not) {
    const Child other({}, [] {
        ::pause();
        return std::string();
    });
    EXPECT_EQ(governed([&]() -> std::string {
                  if (::ptrace(PTRACE_SEIZE, other.pid(), nullptr, nullptr) != 0) return error_name(errno);
                  ::ptrace(PTRACE_DETACH, other.pid(), nullptr, nullptr);
                  return "seized";
              }),
              is_held() ? "EPERM" : "seized");
    EXPECT_EQ(governed([&] {
                  const Fd memory(::open(fmt::format("/proc/{}/mem", other.pid()).c_str(), O_RDWR | O_CLOEXEC));
                  return memory.is_open() ? std::string("open") : error_name(errno);
              }) == "open",
              !is_held());
    if (is_held()) {
        EXPECT_TRUE(was_told(Kind::refused_process));
    }
    // Its own child is its own matter.
    EXPECT_EQ(governed([]() -> std::string {
                  const pid_t child = ::fork();
                  if (child == 0) {
                      ::pause();
                      ::_exit(0);
                  }
                  const bool is_seized = ::ptrace(PTRACE_SEIZE, child, nullptr, nullptr) == 0;
                  const int error = errno;
                  ::kill(child, SIGKILL);
                  ::waitpid(child, nullptr, 0);
                  return is_seized ? "seized" : error_name(error);
              }),
              "seized");
}

TEST_F(Held, signals_do_not_reach_the_daemon) {
    Child daemon(place.daemon(), [] {
        ::pause();
        return std::string();
    });
    ::usleep(50'000);
    EXPECT_EQ(
        governed([&]() -> std::string { return ::kill(daemon.pid(), SIGWINCH) == 0 ? "signalled" : error_name(errno); }),
        is_held() ? "EPERM" : "signalled");
    EXPECT_EQ(
        inside({}, [&]() -> std::string { return ::kill(daemon.pid(), SIGWINCH) == 0 ? "signalled" : error_name(errno); }),
        "signalled");
}

TEST_F(HeldAlone, no_bpf_and_no_change_of_what_is_pinned) {
    const auto pin = place.bpffs() / "assent" / "maps" / "quiet";
    EXPECT_EQ(governed([]() -> std::string {
                  bpf_attr attributes{};
                  attributes.map_type = BPF_MAP_TYPE_ARRAY;
                  attributes.key_size = attributes.value_size = 4;
                  attributes.max_entries = 1;
                  return ::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes)) >= 0 ? "a map"
                                                                                                  : error_name(errno);
              }),
              is_held() ? "EPERM" : "a map");
    EXPECT_EQ(governed([&]() -> std::string {
                  return ::rename(pin.c_str(), (pin.string() + "-away").c_str()) == 0 ? "renamed" : error_name(errno);
              }),
              is_held() ? "EPERM" : "renamed");
    EXPECT_EQ(governed([&]() -> std::string {
                  return ::unlink((pin.string() + (is_held() ? "" : "-away")).c_str()) == 0 ? "removed" : error_name(errno);
              }),
              is_held() ? "EPERM" : "removed");
    if (is_held()) {
        EXPECT_TRUE(was_told(Kind::refused_bpf));
    }
}

TEST_F(HeldAlone, the_pins_are_neither_unmounted_nor_covered) {
    EXPECT_EQ(governed([&]() -> std::string {
                  return ::mount("none", place.bpffs().c_str(), "tmpfs", 0, nullptr) == 0 ? "covered" : error_name(errno);
              }),
              is_held() ? "EPERM" : "covered");
    EXPECT_EQ(governed([&]() -> std::string {
                  return ::umount2(place.bpffs().c_str(), MNT_DETACH) == 0 ? "unmounted" : error_name(errno);
              }),
              is_held() ? "EPERM" : "unmounted");
    if (!is_held()) return;
    // Everything below it would go, cgroups as well: only tried where it is refused.
    EXPECT_EQ(governed([]() -> std::string { return ::umount2("/sys", MNT_DETACH) == 0 ? "unmounted" : error_name(errno); }),
              "EPERM");
    EXPECT_TRUE(was_told(Kind::refused_mount));
    // A sandbox that is set up inside arranges its own view.
    EXPECT_EQ(governed([&]() -> std::string {
                  if (::unshare(CLONE_NEWNS) != 0) return error_name(errno);
                  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return error_name(errno);
                  return ::umount2(place.bpffs().c_str(), MNT_DETACH) == 0 ? "unmounted" : error_name(errno);
              }),
              "unmounted");
    EXPECT_TRUE(std::filesystem::exists(place.bpffs() / "assent" / "maps"));
}

TEST_F(HeldAlone, what_root_outside_unpins_is_attached_again) {
    if (!is_held()) return;
    ASSERT_EQ(::unlink((place.bpffs() / "assent/lsm/bpf").c_str()), 0);
    const auto checked = redirect->check();
    ASSERT_TRUE(checked.has_value());
    ASSERT_EQ(checked->size(), 1U);
    EXPECT_TRUE(std::filesystem::exists(place.bpffs() / "assent/lsm/bpf"));
    EXPECT_TRUE(redirect->check()->empty());
}

// A namespace of one's own is none while its mounts spread to the host's, as they do below systemd.
TEST_F(HeldAlone, an_unmount_that_spreads_from_another_namespace_is_refused) {
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_SHARED, nullptr), 0);
    const auto unmount = [&](unsigned long propagation) {
        return [&, propagation]() -> std::string {
            if (::unshare(CLONE_NEWNS) != 0) return error_name(errno);
            if (propagation != 0 && ::mount("none", "/", nullptr, MS_REC | propagation, nullptr) != 0)
                return error_name(errno);
            // What systemd does for ProtectControlGroups=.
            if (propagation != 0 && ::mount("/sys/fs/cgroup", "/sys/fs/cgroup", nullptr, MS_BIND, nullptr) != 0)
                return "bind " + error_name(errno);
            return ::umount2(place.bpffs().c_str(), MNT_DETACH) == 0 ? "unmounted" : error_name(errno);
        };
    };
    EXPECT_EQ(governed(unmount(MS_SLAVE)), "unmounted");
    EXPECT_TRUE(std::filesystem::exists(place.bpffs() / "assent" / "maps"));
    EXPECT_EQ(governed(unmount(0)), is_held() ? "EPERM" : "unmounted");
    EXPECT_EQ(std::filesystem::exists(place.bpffs() / "assent" / "maps"), is_held());
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
}

TEST_F(HeldAlone, a_dead_daemon_and_its_successors_leave_no_gap) {
    if (!is_held()) return;
    const auto make_packet_socket = []() -> std::string {
        const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0x300));
        return socket.is_open() ? "open" : error_name(errno);
    };
    Child agent(place.governed(), [&] {
        int count = 0;
        for (; ::access("/tmp/held-stop", F_OK) != 0; ++count)
            if (const auto made = make_packet_socket(); made != "EAFNOSUPPORT")
                return fmt::format("{} after {}", made, count);
        return std::string("refused every time");
    });
    redirect.reset();  // dead: the pins hold
    EXPECT_EQ(governed(make_packet_socket), "EAFNOSUPPORT");
    for (int round = 0; round < 3; ++round) {
        const auto next = place.open();
        EXPECT_TRUE(next->has_guard());
        EXPECT_EQ(governed(make_packet_socket), "EAFNOSUPPORT");
    }
    ::close(::open("/tmp/held-stop", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    EXPECT_EQ(agent.finish(), "refused every time");
    ::unlink("/tmp/held-stop");

    const auto removed = kernel::detach_all(place.bpffs());
    ASSERT_TRUE(removed.has_value());
    EXPECT_TRUE(std::ranges::find(*removed, "socket_create of the security module") != removed->end());
    EXPECT_EQ(governed(make_packet_socket), "open");
}

}  // namespace
}  // namespace assent::lsm_tests

// What happens when the daemon dies and comes back, and when cgroups do.
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "abi.h"
#include "kernel/cgroup.h"
#include "kernel/elsewhere.h"
#include "kernel/pins.h"
#include "kernel/playground.h"
#include "kernel/ports.h"

namespace assent::kernel_tests {
namespace {

std::string connect_from(const std::filesystem::path& cgroup, std::uint16_t port) {
    return inside(cgroup, [port] {
        Fd socket;
        return connect_to("127.0.0.1", port, socket);
    });
}

class TakingOver : public ::testing::Test {
protected:
    // A daemon that can be killed: it governs, listens, says so, and sleeps.
    std::unique_ptr<Child> start_daemon() {
        std::array<int, 2> ready{};
        EXPECT_EQ(::pipe(ready.data()), 0);
        auto daemon = std::make_unique<Child>(place.daemon(), [&]() -> std::string {
            const auto redirect = place.open();
            place.listen();
            if (const auto governed = redirect->govern(place.governed()); !governed) return governed.error().message;
            if (::write(ready[1], "r", 1) != 1) return "pipe";
            while (true) ::pause();
        });
        ::close(ready[1]);
        char byte = 0;
        EXPECT_EQ(::read(ready[0], &byte, 1), 1);
        ::close(ready[0]);
        return daemon;
    }

    Playground place;
    Elsewhere elsewhere;
};

TEST_F(TakingOver, agents_of_a_killed_daemon_are_refused_and_never_let_out) {
    auto daemon = start_daemon();
    EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "connected");
    EXPECT_FALSE(elsewhere.was_reached());
    ::kill(daemon->pid(), SIGKILL);
    daemon.reset();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "ECONNREFUSED");
    EXPECT_FALSE(elsewhere.was_reached());

    // The next daemon finds the ports that the last one had, and goes on.
    const auto ports = kernel::choose_ports(place.ports().size(), place.bpffs());
    ASSERT_TRUE(ports.has_value());
    EXPECT_EQ(*ports, place.ports());
    const auto redirect = place.open();
    place.listen();
    EXPECT_EQ(redirect->governed().size(), 1U);
    EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "connected");
    const auto accepted = place.accept();
    ASSERT_TRUE(accepted.is_open());
    const auto origin = redirect->origin_of(accepted.get());
    ASSERT_TRUE(origin.has_value()) << origin.error().message;
    EXPECT_EQ(origin->asked_for.port, elsewhere.port);
    EXPECT_FALSE(elsewhere.was_reached());
}

TEST_F(TakingOver, happens_under_continuous_connects_without_one_leak) {
    const auto daemon = start_daemon();
    Child agent(place.governed(), [this] {
        int count = 0;
        const auto parent = ::getppid();
        for (; count < 20'000; ++count) {
            Fd socket;
            const auto result = connect_to("127.0.0.1", elsewhere.port, socket);
            // A reset: the listener of a dead daemon is taken apart while the connection is on its way.
            if (result != "connected" && result != "ECONNREFUSED" && result != "ECONNRESET") return result;
            const linger hard{1, 0};
            ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
            if (::getppid() != parent || ::access((place.bpffs() / "assent" / "maps").c_str(), F_OK) != 0) break;
        }
        return std::string("done");
    });
    ::usleep(50'000);
    for (int round = 0; round < 12; ++round) {
        const auto next = place.open();
        ASSERT_TRUE(next->govern(place.governed()).has_value());
        if (round == 5) ::kill(daemon->pid(), SIGKILL);
        ASSERT_FALSE(elsewhere.was_reached()) << round;
    }
    EXPECT_EQ(agent.finish(), "done");
    EXPECT_FALSE(elsewhere.was_reached());
}

TEST_F(TakingOver, of_pins_with_another_layout_makes_new_maps_and_keeps_governing) {
    {
        const auto first = place.open();
        ASSERT_TRUE(first->govern(place.governed()).has_value());
    }
    const Fd config(bpf_obj_get(kernel::Pins(place.bpffs()).map("config").c_str()));
    assent_config settings{};
    const __u32 zero = 0;
    ASSERT_EQ(bpf_map_lookup_elem(config.get(), &zero, &settings), 0);
    settings.abi_version = ASSENT_ABI_VERSION + 1;
    settings.state_version = ASSENT_STATE_VERSION + 1;
    ASSERT_EQ(bpf_map_update_elem(config.get(), &zero, &settings, 0), 0);
    EXPECT_TRUE(kernel::pinned_ports(place.bpffs()).empty());

    const auto second = place.open();
    place.listen();
    EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "connected");
    const auto accepted = place.accept();
    ASSERT_TRUE(accepted.is_open());
    EXPECT_TRUE(second->origin_of(accepted.get()).has_value());
    EXPECT_FALSE(elsewhere.was_reached());
}

// What another version of the programs left: links that we do not have, and a configuration that is not ours.
TEST_F(TakingOver, of_another_version_with_the_same_state_lets_connections_on_their_way_arrive) {
    {
        const auto first = place.open();
        ASSERT_TRUE(first->govern(place.governed()).has_value());
    }
    place.listen();
    EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "connected");
    const kernel::Pins pins(place.bpffs());
    const Fd config(bpf_obj_get(pins.map("config").c_str()));
    assent_config settings{};
    const __u32 zero = 0;
    ASSERT_EQ(bpf_map_lookup_elem(config.get(), &zero, &settings), 0);
    settings.abi_version = ASSENT_ABI_VERSION + 1;
    ASSERT_EQ(bpf_map_update_elem(config.get(), &zero, &settings, 0), 0);
    const auto folder = pins.governed(*kernel::cgroup_id_of(place.governed()));
    ASSERT_EQ(::rename((folder / "ingress").c_str(), (folder / "of_another_version").c_str()), 0);

    const auto second = place.open();
    const auto accepted = place.accept();
    ASSERT_TRUE(accepted.is_open());
    const auto origin = second->origin_of(accepted.get());
    ASSERT_TRUE(origin.has_value()) << origin.error().message;
    EXPECT_EQ(origin->asked_for.port, elsewhere.port);
    EXPECT_TRUE(std::filesystem::exists(folder / "ingress"));
    EXPECT_FALSE(std::filesystem::exists(folder / "of_another_version"));
    EXPECT_EQ(kernel::pinned_ports(place.bpffs()), place.ports());
    EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "connected");
    EXPECT_FALSE(elsewhere.was_reached());
}

TEST_F(TakingOver, twice_governed_is_once_governed) {
    const auto redirect = place.open();
    place.listen();
    const auto inner = place.governed() / "inner.service";
    ASSERT_EQ(::mkdir(inner.c_str(), 0755), 0);
    ASSERT_TRUE(redirect->govern(inner).has_value());
    ASSERT_TRUE(redirect->govern(place.governed()).has_value());
    ASSERT_TRUE(redirect->govern(place.governed()).has_value());
    ASSERT_TRUE(redirect->govern(inner).has_value());
    EXPECT_EQ(redirect->governed().size(), 1U);
    EXPECT_EQ(connect_from(inner, elsewhere.port), "connected");
    EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "connected");
    EXPECT_FALSE(elsewhere.was_reached());
}

TEST_F(TakingOver, a_removed_cgroup_is_made_and_governed_again) {
    const auto redirect = place.open();
    place.listen();
    ASSERT_TRUE(redirect->govern(place.governed()).has_value());
    const auto old = *kernel::cgroup_id_of(place.governed());
    ASSERT_EQ(::rmdir(place.governed().c_str()), 0);
    const auto repaired = redirect->check();
    ASSERT_TRUE(repaired.has_value()) << repaired.error().message;
    EXPECT_FALSE(repaired->empty());
    ASSERT_TRUE(std::filesystem::exists(place.governed()));
    EXPECT_NE(*kernel::cgroup_id_of(place.governed()), old);
    EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "connected");
    EXPECT_FALSE(elsewhere.was_reached());
    EXPECT_EQ(kernel::pinned_cgroups(kernel::Pins(place.bpffs())).size(), 1U);
    EXPECT_TRUE(redirect->check()->empty());
}

TEST_F(TakingOver, a_cgroup_that_comes_back_is_noticed_at_once) {
    const auto redirect = place.open();
    place.listen();
    ASSERT_TRUE(redirect->govern(place.governed()).has_value());
    ASSERT_EQ(::rmdir(place.governed().c_str()), 0);
    ASSERT_EQ(::mkdir(place.governed().c_str(), 0755), 0);
    ASSERT_TRUE(redirect->poll_events(1000, [](const kernel::Event&) {}).has_value());
    EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "connected");
    EXPECT_FALSE(elsewhere.was_reached());
}

TEST_F(TakingOver, units_of_a_pattern_are_governed_as_they_appear) {
    const auto redirect = place.open();
    place.listen();
    const auto unit = *kernel::cgroup_root() / fmt::format("assent-test-unit-{}.service", ::getpid());
    ASSERT_TRUE(redirect->govern_units({fmt::format("assent-test-unit-{}*.service", ::getpid())}).has_value());
    EXPECT_TRUE(redirect->governed().empty());
    ASSERT_EQ(::mkdir(unit.c_str(), 0755), 0);
    const auto polled = redirect->poll_events(1000, [](const kernel::Event&) {});
    const auto result = connect_from(unit, elsewhere.port);
    ASSERT_EQ(::rmdir(unit.c_str()), 0);
    ASSERT_TRUE(polled.has_value()) << polled.error().message;
    EXPECT_EQ(result, "connected");
    EXPECT_FALSE(elsewhere.was_reached());
    ASSERT_TRUE(redirect->check().has_value());
    EXPECT_TRUE(redirect->governed().empty());
}

TEST_F(TakingOver, detaching_lets_agents_out_and_nothing_is_attached_again) {
    const auto redirect = place.open();
    place.listen();
    ASSERT_TRUE(redirect->govern(place.governed()).has_value());
    const auto removed = kernel::detach_all(place.bpffs());
    ASSERT_TRUE(removed.has_value()) << removed.error().message;
    EXPECT_GT(removed->size(), 12U);
    EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "connected");
    EXPECT_TRUE(elsewhere.was_reached());
    ASSERT_TRUE(redirect->check().has_value());
    EXPECT_EQ(connect_from(place.governed(), elsewhere.port), "connected");
    EXPECT_TRUE(elsewhere.was_reached());
    EXPECT_TRUE(redirect->governed().empty());
}

TEST_F(TakingOver, refuses_to_govern_itself_or_nothing) {
    const auto redirect = place.open();
    EXPECT_FALSE(redirect->govern(place.daemon()).has_value());
    EXPECT_FALSE(redirect->govern(place.daemon().parent_path()).has_value());
    EXPECT_FALSE(redirect->govern(*kernel::cgroup_root()).has_value());
    EXPECT_FALSE(redirect->govern("/tmp").has_value());
    auto options = place.options();
    options.daemon_cgroup = *kernel::cgroup_root();
    EXPECT_FALSE(kernel::Redirect::open(options).has_value());
    options = place.options();
    options.ports = {5000};
    EXPECT_FALSE(kernel::Redirect::open(options).has_value());
}

}  // namespace
}  // namespace assent::kernel_tests

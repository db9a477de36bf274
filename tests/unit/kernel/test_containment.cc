// Which agents a host can contain, and what their units lack.
#include <unistd.h>

#include <gtest/gtest.h>

#include "kernel/containment.h"

namespace assent::kernel {
namespace {

constexpr std::uint64_t net_raw = 1ULL << 13U;
constexpr std::uint64_t bind_service = 1ULL << 10U;
constexpr std::uint64_t everything = (1ULL << 41U) - 1;
constexpr uid_t nobody = 65534;

// As `assent run` starts one.
model::Agent contained_agent() {
    model::Agent agent;
    agent.uid = nobody;
    agent.has_no_new_privileges = true;
    agent.has_filter = true;
    return agent;
}

TEST(Containing, an_ordinary_user_who_gains_nothing_is_contained_on_every_kernel) {
    EXPECT_TRUE(judge_containment(contained_agent(), false, {}).is_contained());
    EXPECT_TRUE(judge_containment(contained_agent(), true, {}).is_contained());
    auto agent = contained_agent();
    agent.capabilities = bind_service;  // undoes nothing
    agent.bounding_capabilities = everything;
    EXPECT_TRUE(judge_containment(agent, false, {}).is_contained());
}

TEST(Containing, nothing_known_of_an_agent_is_not_contained) {
    EXPECT_FALSE(judge_containment(model::Agent(), false, {}).is_contained());
}

TEST(Containing, root_is_refused_without_lsm_and_with_it_while_the_host_is_open_to_it) {
    auto agent = contained_agent();
    agent.uid = 0;
    agent.pid = ::getpid();
    EXPECT_NE(judge_containment(agent, false, {}).why.find("runs as root, and this kernel has no BPF LSM"),
              std::string::npos);
    agent.pid = 0;  // no such process: nothing is read-only for it
    const auto held = judge_containment(agent, true, {});
    EXPECT_NE(held.why.find("can write to the host's own files"), std::string::npos);
    EXPECT_EQ(held.settings, (std::vector<std::string>{"ProtectSystem=strict", "ProtectKernelTunables=yes",
                                                       "ProtectControlGroups=yes", "PrivateDevices=yes"}));
    EXPECT_TRUE(judge_containment(agent, true, {.root_agents = true}).is_contained());
    EXPECT_TRUE(judge_containment(agent, false, {.root_agents = true}).is_contained());
}

TEST(Containing, capabilities_are_refused_whoever_has_them) {
    auto agent = contained_agent();
    constexpr std::uint64_t one = 1;
    for (const auto& [capability, name] : {std::pair(net_raw, "CAP_NET_RAW"), std::pair(one << 1U, "CAP_DAC_OVERRIDE"),
                                           std::pair(one << 7U, "CAP_SETUID"), std::pair(one << 63U, "CAP_63")}) {
        agent.capabilities = capability;
        for (const bool has_guard : {false, true}) {
            const auto found = judge_containment(agent, has_guard, {});
            EXPECT_NE(found.why.find(name), std::string::npos) << found.why;
            EXPECT_EQ(found.settings, std::vector<std::string>{"CapabilityBoundingSet="});
            EXPECT_TRUE(judge_containment(agent, has_guard, {.root_agents = true}).is_contained());
        }
    }
    agent.capabilities = everything;
    EXPECT_NE(judge_containment(agent, true, {}).why.find(" more"), std::string::npos);
}

TEST(Containing, what_setuid_programs_could_give_counts_too) {
    auto agent = contained_agent();
    agent.has_no_new_privileges = false;
    EXPECT_FALSE(judge_containment(agent, false, {}).is_contained()) << "root without capabilities owns cgroup.procs";
    agent.bounding_capabilities = everything;
    EXPECT_EQ(judge_containment(agent, true, {}).settings, std::vector<std::string>{"NoNewPrivileges=yes"});
    EXPECT_TRUE(judge_containment(agent, true, {.new_privileges = true}).is_contained());
}

TEST(Containing, without_lsm_a_filter_of_system_calls_has_to_hold_the_other_families) {
    auto agent = contained_agent();
    agent.has_filter = false;
    EXPECT_EQ(judge_containment(agent, false, {}).settings.size(), 1U);
    EXPECT_TRUE(judge_containment(agent, true, {}).is_contained());
    EXPECT_TRUE(judge_containment(agent, false, {.no_lsm = true}).is_contained());
}

TEST(Containing, a_host_is_read_only_when_its_root_and_its_settings_are) {
    EXPECT_FALSE(is_host_read_only(""));
    const std::string root = "22 1 254:0 / / ro,relatime shared:1 - ext4 /dev/vda rw\n";
    const std::string tunables = "41 40 0:21 /sys /proc/sys ro,nosuid - proc proc rw\n";
    EXPECT_FALSE(is_host_read_only(root));
    EXPECT_TRUE(is_host_read_only(root + tunables));
    EXPECT_FALSE(is_host_read_only("22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda ro\n" + tunables));
    EXPECT_FALSE(is_host_read_only(root + tunables + "50 41 0:21 /sys /proc/sys rw,nosuid - proc proc rw\n"));
    const std::string devices = "30 22 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw\n";
    EXPECT_FALSE(is_host_read_only(root + tunables + devices));
    EXPECT_TRUE(is_host_read_only(root + tunables + devices + "60 22 0:50 / /dev ro,nosuid - tmpfs tmpfs rw\n"));
    const std::string cgroups = "31 22 0:26 / /sys/fs/cgroup rw,nosuid shared:3 - cgroup2 cgroup2 rw\n";
    EXPECT_FALSE(is_host_read_only(root + tunables + cgroups));
    EXPECT_TRUE(
        is_host_read_only(root + tunables + cgroups + "61 31 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw\n"));
}

TEST(Containing, the_powers_of_a_process_are_read_from_proc) {
    const auto own = powers_of_process(::getpid());
    ASSERT_TRUE(own.has_value());
    EXPECT_EQ(own->uid, ::geteuid());
    EXPECT_FALSE(own->cgroup_path.empty());
    EXPECT_FALSE(powers_of_process(0x7ffffff0).has_value());
}

}  // namespace
}  // namespace assent::kernel

// Every way around assent, as every kind of agent, must come to what the table of userspace/kernel/around/README.md says:
// the documentation is the expectation.
#include <sys/utsname.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernel/around/battery.h"
#include "kernel/attack.h"

namespace assent::kernel_tests {
namespace {

struct Expected {
    std::map<std::string, std::vector<std::string>> of_agent;  // what may come of it
    std::map<std::string, std::string> elsewhere;              // what more on an older kernel
    std::string told;                                          // the kind of event that root's attempt gives; "" none
    bool is_closed_by_guard = false;                           // what leaks does not with BPF LSM
    bool is_seen = false;
};

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" `*");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" `*") - first + 1);
}

std::vector<std::string> split(const std::string& text, const std::string& by) {
    std::vector<std::string> out;
    std::size_t from = 0;
    for (auto to = text.find(by); to != std::string::npos; to = text.find(by, from)) {
        out.push_back(trimmed(text.substr(from, to - from)));
        from = to + by.size();
    }
    out.push_back(trimmed(text.substr(from)));
    return out;
}

// Rows are `| way | what | root | user | run | told as | closed by |`.
std::map<std::string, Expected> read_table() {
    std::ifstream file(ASSENT_SOURCE_DIR "/userspace/kernel/around/README.md");
    std::map<std::string, Expected> out;
    for (std::string line; std::getline(file, line);) {
        const auto cells = split(line, "|");
        if (!line.starts_with("| `") || cells.size() < 8) continue;
        Expected expected;
        std::size_t column = 3;
        for (const std::string agent : {"root", "user", "run"}) {
            const auto here_and_elsewhere = split(cells[column++], ", else ");
            expected.of_agent[agent] = split(here_and_elsewhere.front(), " or ");
            expected.elsewhere[agent] = here_and_elsewhere.back();
        }
        expected.told = cells[6];
        expected.is_closed_by_guard = cells[7].find("BPF LSM") != std::string::npos;
        out.emplace(cells[1], std::move(expected));
    }
    return out;
}

std::string name_of(kernel::Event::Kind kind) {
    using Kind = kernel::Event::Kind;
    static const std::map<Kind, std::string> names{{Kind::refused_connect, "connect"}, {Kind::refused_send, "send"},
                                                   {Kind::refused_bind, "bind"},       {Kind::refused_socket, "socket"},
                                                   {Kind::refused_listen, "listen"},   {Kind::dropped_packet, "packet"},
                                                   {Kind::refused_option, "option"},   {Kind::refused_unix, "unix"}};
    const auto found = names.find(kind);
    return found == names.end() ? "other" : found->second;
}

std::string told_as(const Attempt& attempt) {
    std::string out;
    for (const auto& event : attempt.events) out += (out.empty() ? "" : " ") + name_of(event.kind);
    return out;
}

std::string outcome(const Attempt& attempt) {
    if (attempt.result == "redirected") return "to assent";
    if (attempt.result != "refused") return attempt.result;
    return attempt.signal != 0 ? "killed" : attempt.error;
}

std::string shown(const Attempt& attempt) {
    return fmt::format("{} as {}, IPv{}: {} ({} {}), told as '{}'", attempt.way, attempt.agent, attempt.family,
                       outcome(attempt), attempt.stage, attempt.error, told_as(attempt));
}

// Whether this kernel can do it at all, which root outside of any governed cgroup has shown.
bool is_possible(const std::vector<Attempt>& attempts, const Attempt& attempt) {
    return std::ranges::any_of(attempts, [&](const Attempt& other) {
        return other.agent == "outside" && other.way == attempt.way && other.family == attempt.family &&
               (other.result == "leaks" || other.result == "opens" || other.result == "redirected");
    });
}

bool is_open(const std::string& outcome) { return outcome == "leaks" || outcome == "opens"; }

// Elsewhere an attempt may come to another error, or be refused where it is not here.
bool is_kernel_of_table() {
    utsname system{};
    return ::uname(&system) == 0 && std::string_view(system.release).starts_with("6.18.");
}

class Around : public ::testing::Test {
protected:
    void check_told(const Attempt& attempt, const std::string& told) const {
        if (told.empty()) return;
        if (attempt.agent == "root") {
            EXPECT_NE(told_as(attempt).find(told), std::string::npos) << shown(attempt);
        }
        for (const auto& event : attempt.events) EXPECT_EQ(name_of(event.kind), told) << shown(attempt);
    }
    void check(const Attempt& attempt, const Expected& expected) const {
        const auto& allowed = expected.of_agent.at(attempt.agent);
        if (has_guard_ && expected.is_closed_by_guard) {
            EXPECT_FALSE(is_open(outcome(attempt))) << shown(attempt);
            if (attempt.agent == "root") {
                EXPECT_FALSE(attempt.events.empty()) << shown(attempt);
            }
            return;
        }
        const bool is_as_said = std::ranges::find(allowed, outcome(attempt)) != allowed.end();
        if (is_kernel_of_table() && !has_guard_) {
            EXPECT_TRUE(is_as_said) << shown(attempt);
            check_told(attempt, expected.told);
        } else {
            const bool is_older = outcome(attempt) == expected.elsewhere.at(attempt.agent);
            EXPECT_TRUE(is_as_said || is_older || !is_open(outcome(attempt))) << shown(attempt);
        }
    }
    void check(const std::vector<Attempt>& attempts, bool is_control_needed) {
        for (const auto& attempt : attempts) {
            // For whoever keeps the table: all of it as it came out here.
            if (std::getenv("AROUND_SHOW") != nullptr)
                fmt::print("{} {} {} {}: {} {}\n", attempt.way, attempt.agent, attempt.family, outcome(attempt),
                           attempt.stage, told_as(attempt));
            if (attempt.agent == "outside") continue;
            const auto found = expected_.find(attempt.way);
            EXPECT_NE(found, expected_.end()) << attempt.way << " is not in the table of userspace/kernel/around/README.md";
            if (found == expected_.end()) continue;
            found->second.is_seen = true;
            if (is_control_needed && !is_possible(attempts, attempt)) {
                EXPECT_TRUE(attempt.result == "refused" || attempt.result == "dropped") << shown(attempt);
                continue;
            }
            check(attempt, found->second);
        }
    }
    std::vector<Attempt> attempts(const std::string& only, const std::string& agents) {
        const Playground place;
        const auto redirect = place.open();
        EXPECT_TRUE(redirect->govern(place.governed()).has_value());
        EXPECT_TRUE(redirect->set_unix_rules({}, false).has_value());
        has_guard_ = redirect->has_guard();
        return run_battery(place, *redirect, only, agents);
    }

    std::map<std::string, Expected> expected_ = read_table();
    bool has_guard_ = false;
};

TEST_F(Around, every_way_comes_to_what_the_table_says) {
    const auto tried = attempts("", "outside,root,user,run");
    EXPECT_GT(tried.size(), 600U);
    check(tried, true);
    // Those that show that the battery itself works.
    for (const std::string way : {"tcp", "udp", "raw-icmp", "packet-raw", "mptcp", "uring", "inherited", "inbound-tcp"})
        EXPECT_TRUE(is_possible(tried, *std::ranges::find(tried, way, &Attempt::way))) << way;
    for (const auto& way : breaking_ways()) expected_[way].is_seen = true;
    for (const auto& [way, expected] : expected_) EXPECT_TRUE(expected.is_seen) << way << " is only in the table";
}

TEST_F(Around, ways_that_take_away_what_holds_agents) {
    // Each has a kernel side of its own, which an emulated processor takes seconds to load.
    const char* given = std::getenv("AROUND_BREAK_AS");
    for (const auto& way : breaking_ways()) {
        const auto control = attempts(way, "outside");
        for (const auto& agent : split(given != nullptr ? given : "root,user,run", ",")) {
            auto tried = attempts(way, agent);
            ASSERT_EQ(tried.size(), 1U) << way;
            tried.insert(tried.end(), control.begin(), control.end());
            check(tried, true);
        }
    }
}

TEST(Attack, keeps_on_this_host_what_is_promised) {
    const Playground place;
    const auto attacks = kernel::attack_host(place.bpffs());
    ASSERT_TRUE(attacks.has_value()) << attacks.error().message;
    EXPECT_GT(attacks->size(), 400U);
    for (const auto& each : *attacks)
        EXPECT_TRUE(each.is_kept()) << each.way << " as " << each.agent << ", IPv" << each.family << ": " << each.result;
    const auto has = [&](const std::string& way, const std::string& agent, const std::string& result) {
        return std::ranges::any_of(*attacks, [&](const kernel::Attack& each) {
            return each.way == way && each.agent == agent && each.result == result;
        });
    };
    EXPECT_TRUE(has("tcp", "run", "redirected"));
    EXPECT_TRUE(has("udp", "user", "refused"));
    EXPECT_TRUE(has("packet-raw", "root", "leaks"));
    // What could harm others is not tried, and nothing is left.
    EXPECT_TRUE(std::ranges::none_of(*attacks, [](const kernel::Attack& each) { return each.way == "bpf-detach"; }));
    EXPECT_FALSE(std::filesystem::exists(*kernel::cgroup_root() / fmt::format("assent-doctor-{}", ::getpid())));
}

}  // namespace
}  // namespace assent::kernel_tests

#include "kernel/around/battery.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"

namespace assent::kernel_tests {
namespace {

// The battery's lines; `meanwhile` is called again and again until it has ended.
std::string output_of(std::vector<std::string> arguments, const std::function<void()>& meanwhile) {
    arguments.insert(arguments.begin(), ASSENT_BINARY_DIR "/tests/kernel/around/assent_around");
    std::vector<char*> words;
    for (auto& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const Fd output(ends[0]);
    Fd input(ends[1]);
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
    pid_t battery = -1;
    EXPECT_EQ(::posix_spawn(&battery, words.front(), &actions, nullptr, words.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    input.reset();
    std::string text;
    std::array<char, 4096> buffer{};
    pollfd waited{output.get(), POLLIN, 0};
    while (true) {
        meanwhile();
        if (::poll(&waited, 1, 20) <= 0) continue;
        const auto size = ::read(output.get(), buffer.data(), buffer.size());
        if (size <= 0) break;
        text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    int status = 0;
    ::waitpid(battery, &status, 0);
    EXPECT_EQ(status, 0) << "the battery could not try everything";
    meanwhile();
    return text;
}

Attempt read_attempt(const std::string& line) {
    const auto read = nlohmann::json::parse(line);
    return {.way = read["way"],
            .agent = read["agent"],
            .family = read["family"],
            .result = read["result"],
            .error = read["errno"],
            .stage = read["stage"],
            .signal = read["signal"],
            .cgroup_id = read["cgroup_id"],
            .events = {}};
}

}  // namespace

std::vector<Attempt> run_battery(const Playground& place, kernel::Redirect& redirect, const std::string& only,
                                 const std::string& agents) {
    std::string ports;
    for (const auto port : place.ports()) ports += fmt::format("{}{}", ports.empty() ? "" : ",", port);
    std::vector<std::string> arguments{"--json",  "--cgroup", place.governed(), "--cgroup-root", *kernel::cgroup_root(),
                                       "--ports", ports,      "--bpffs",        place.bpffs(),   "--agents",
                                       agents};
    if (!only.empty()) arguments.insert(arguments.end(), {"--only", only});
    std::multimap<std::uint64_t, kernel::Event> events;
    const auto collect = [&] {
        const auto polled =
            redirect.poll_events(0, [&](const kernel::Event& event) { events.emplace(event.agent.cgroup_id, event); });
        // A way may have taken away what is looked after.
        EXPECT_TRUE(polled.has_value() || !only.empty()) << polled.error().message;
    };
    std::istringstream lines(output_of(std::move(arguments), collect));
    std::vector<Attempt> out;
    for (std::string line; std::getline(lines, line);) {
        auto attempt = read_attempt(line);
        const auto [first, last] = events.equal_range(attempt.cgroup_id);
        for (auto it = first; it != last; ++it) attempt.events.push_back(it->second);
        out.push_back(std::move(attempt));
    }
    return out;
}

std::vector<std::string> breaking_ways() {
    std::istringstream lines(output_of({"--breaking"}, [] {}));
    std::vector<std::string> out;
    for (std::string line; std::getline(lines, line);) out.push_back(line);
    return out;
}

}  // namespace assent::kernel_tests

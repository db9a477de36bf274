#include "app/upgrade.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"

namespace assent::app {
namespace {

constexpr std::size_t most_said = 4096;

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

// What comes through the pipe until its other end is closed, or the time is over (then false).
bool read_until_end(int pipe, std::string& out) {
    const auto end = std::chrono::steady_clock::now() + limits::upgrade_check_timeout;
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd waited{pipe, POLLIN, 0};
        const int ready = left.count() <= 0 ? 0 : ::poll(&waited, 1, static_cast<int>(left.count()));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return false;
        std::array<char, 1024> part{};
        const auto size = ::read(pipe, part.data(), part.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return true;
        if (out.size() < most_said) out.append(part.data(), static_cast<std::size_t>(size));
    }
}

// Signals that this process waits for are blocked in it, and are not in the program that is tried.
Result<pid_t> spawn(const std::string& file, std::vector<std::string> arguments, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (::posix_spawn_file_actions_init(&actions) != 0) return fail(Errc::internal, "posix_spawn");
    if (::posix_spawnattr_init(&attributes) != 0) {
        ::posix_spawn_file_actions_destroy(&actions);
        return fail(Errc::internal, "posix_spawn");
    }
    sigset_t none;
    sigemptyset(&none);
    pid_t child = -1;
    int error = ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (error == 0) error = ::posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (error == 0) error = ::posix_spawnattr_setsigmask(&attributes, &none);
    if (error == 0) error = ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (error == 0)
        error = ::posix_spawn(&child, file.c_str(), &actions, &attributes, pointers_to(arguments).data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return fail_errno("starting " + file, error);
    return child;
}

}  // namespace

Program Program::of_this_process(int count, char** arguments) {
    Program out;
    std::error_code ignored;
    out.arguments.assign(arguments, arguments + count);
    // The service manager gives the whole path, which may be a link that leads elsewhere after an upgrade.
    const bool is_whole = count > 0 && out.arguments.front().starts_with('/');
    out.file =
        is_whole ? std::filesystem::path(out.arguments.front()) : std::filesystem::read_symlink("/proc/self/exe", ignored);
    return out;
}

Result<> Program::check(const std::filesystem::path& settings) const {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe", errno);
    const Fd output(ends[0]);
    Fd input(ends[1]);
    const auto child =
        spawn(file.string(),
              {file.string(), "--check", "--handover", std::to_string(Handover::format), "--config", settings.string()},
              input.get());
    input.reset();
    if (!child) return fail(Errc::invalid, child.error().message);
    std::string said;
    const bool has_ended = read_until_end(output.get(), said);
    if (!has_ended) ::kill(*child, SIGKILL);
    int status = 0;
    while (::waitpid(*child, &status, 0) < 0 && errno == EINTR) {
    }
    while (!said.empty() && said.back() == '\n') said.pop_back();
    if (!has_ended) return fail(Errc::invalid, fmt::format("{} does not come to an end of --check", file.string()));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return fail(Errc::invalid, fmt::format("{} would not start: {}", file.string(),
                                           said.empty() ? std::string("it was killed, or said nothing") : shown_text(said)));
}

Error Program::execute(const Handover& handover) const {
    const auto failed = [](const Result<>& result) { return result.error(); };
    auto variable = handover.variable();
    if (!variable) return variable.error();
    std::vector<std::string> environment;
    for (char** each = environ; *each != nullptr; ++each) environment.emplace_back(*each);
    environment.push_back(std::move(*variable));
    auto own_arguments = arguments;
    if (auto opened = handover.set_open(true); !opened) return failed(opened);
    ::execve(file.c_str(), pointers_to(own_arguments).data(), pointers_to(environment).data());
    const auto error = fail_errno("starting " + file.string(), errno).error();
    if (auto closed = handover.set_open(false); !closed) return failed(closed);
    return error;
}

}  // namespace assent::app

// A program of the host's own: argv and one JSON object on its standard input, no shell, as the notifier's user.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/limits.h"
#include "notify/channel.h"

namespace assent::notify {
namespace {

// A child of its own process group, which is ended with everything that it started.
class Child {
public:
    explicit Child(pid_t pid) : pid_(pid), descriptor_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (pid_ <= 0) return;
        (void)::kill(-pid_, SIGKILL);
        (void)::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] Result<> finish() {
        pollfd waiting{descriptor_.get(), POLLIN, 0};
        const int limit_ms = static_cast<int>(std::chrono::milliseconds(limits::notice_timeout).count());
        int ready = ::poll(&waiting, 1, limit_ms);
        while (ready < 0 && errno == EINTR) ready = ::poll(&waiting, 1, limit_ms);
        if (ready <= 0) return fail(Errc::unavailable, "it did not end in time");
        int status = 0;
        (void)::kill(-pid_, SIGKILL);  // what it left behind
        if (::waitpid(std::exchange(pid_, 0), &status, 0) < 0) return fail_errno("waitpid", errno);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
        if (WIFSIGNALED(status)) return fail(Errc::unavailable, fmt::format("it was ended by signal {}", WTERMSIG(status)));
        return fail(Errc::unavailable, fmt::format("it ended with {}", WEXITSTATUS(status)));
    }

private:
    pid_t pid_;
    Fd descriptor_;
};

struct Actions {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    Actions() {
        posix_spawn_file_actions_init(&files);
        posix_spawnattr_init(&attributes);
    }
    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;
    ~Actions() {
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&attributes);
    }
};

class ExecChannel final : public Channel {
public:
    explicit ExecChannel(std::filesystem::path program) : program_(std::move(program)), name_("exec " + program_.string()) {}

    [[nodiscard]] const std::string& name() const noexcept override { return name_; }
    [[nodiscard]] bool wants(const Notice&) const override { return true; }
    [[nodiscard]] Result<> deliver(const Notice& notice) override {
        // All of it is in the pipe before the program starts, whether it reads it or not.
        std::string input = webhook_body(notice, policy::Webhook::Form::json, true) + "\n";
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe", errno);
        const Fd read_end(ends[0]);
        Fd write_end(ends[1]);
        const int size = ::fcntl(write_end.get(), F_GETPIPE_SZ);
        if (size < 0 || input.size() > static_cast<std::size_t>(size))
            return fail(Errc::invalid, "the notice is too long for a pipe");
        if (::write(write_end.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size()))
            return fail_errno("write to a pipe", errno);
        write_end.reset();
        return run(read_end.get(), event_of(notice), hold_id_of(notice));
    }

private:
    [[nodiscard]] static std::string hold_id_of(const Notice& notice) {
        const auto hold = notice.about.find("hold");
        return hold != notice.about.end() && hold->is_object() ? hold->value("id", "") : std::string();
    }

    [[nodiscard]] Result<> run(int input, std::string event, std::string hold) const {
        Actions actions;
        posix_spawn_file_actions_adddup2(&actions.files, input, STDIN_FILENO);
        posix_spawn_file_actions_addopen(&actions.files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        sigset_t none;
        sigset_t usual;
        sigemptyset(&none);
        sigemptyset(&usual);
        for (const int each : {SIGPIPE, SIGTERM, SIGINT}) sigaddset(&usual, each);
        posix_spawnattr_setsigmask(&actions.attributes, &none);
        posix_spawnattr_setsigdefault(&actions.attributes, &usual);
        posix_spawnattr_setpgroup(&actions.attributes, 0);
        posix_spawnattr_setflags(&actions.attributes,
                                 POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        std::string program = program_.string();
        std::array<char*, 4> arguments = {program.data(), event.data(), hold.empty() ? nullptr : hold.data(), nullptr};
        std::string path = "PATH=/usr/local/bin:/usr/bin:/bin";
        std::string language = "LANG=C.UTF-8";
        std::array<char*, 3> environment = {path.data(), language.data(), nullptr};
        pid_t pid = 0;
        const int error =
            ::posix_spawn(&pid, program.c_str(), &actions.files, &actions.attributes, arguments.data(), environment.data());
        if (error != 0)
            return fail(Errc::invalid, fmt::format("it cannot be started: {}", fail_errno("exec", error).error().message));
        return Child(pid).finish();
    }

    std::filesystem::path program_;
    std::string name_;
};

}  // namespace

std::unique_ptr<Channel> make_exec(std::filesystem::path program) {
    return std::make_unique<ExecChannel>(std::move(program));
}

}  // namespace assent::notify

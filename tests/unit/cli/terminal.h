// A program at a pseudo-terminal, as a person would use it.
#pragma once

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/fd.h"

namespace assent::cli {

class Terminal {
public:
    Terminal(std::vector<std::string> arguments, unsigned short rows, unsigned short columns) {
        std::vector<char*> raw;
        for (auto& argument : arguments) raw.push_back(argument.data());
        raw.push_back(nullptr);
        winsize size{rows, columns, 0, 0};
        int descriptor = -1;
        process_ = ::forkpty(&descriptor, nullptr, nullptr, &size);
        if (process_ == 0) {
            ::execv(raw[0], raw.data());
            ::_exit(127);
        }
        terminal_.reset(descriptor);
    }
    ~Terminal() {
        if (process_ > 0) {
            ::kill(process_, SIGKILL);
            ::waitpid(process_, nullptr, 0);
        }
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void type(const std::string& text) { static_cast<void>(::write(terminal_.get(), text.data(), text.size()) >= 0); }

    // What appeared since the last wait, up to and with `text`; everything that came when it did not.
    std::string wait_for(const std::string& text) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (std::chrono::steady_clock::now() < end) {
            if (const auto at = shown_.find(text); at != std::string::npos) {
                std::string seen = shown_.substr(0, at + text.size());
                shown_.erase(0, at + text.size());
                return seen;
            }
            pollfd waiting{terminal_.get(), POLLIN, 0};
            if (::poll(&waiting, 1, 100) <= 0) continue;
            char bytes[4096];
            const ssize_t size = ::read(terminal_.get(), bytes, sizeof bytes);
            if (size <= 0) break;
            shown_.append(bytes, static_cast<std::size_t>(size));
        }
        return std::exchange(shown_, {}) + "\n(and never: " + text + ")";
    }

    int exit_code() {
        int status = 0;
        ::waitpid(process_, &status, 0);
        process_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    pid_t process_ = -1;
    Fd terminal_;
    std::string shown_;
};

}  // namespace assent::cli

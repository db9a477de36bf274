// A program run as a script would: no terminal, nothing to read.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/fd.h"

namespace assent::cli {

struct Outcome {
    int code = -1;     // -1: a signal ended it
    std::string text;  // standard output and error
};

// Words between blanks; what stands in single quotes is one word.
inline std::vector<std::string> words_of(const std::string& line) {
    std::vector<std::string> words;
    bool is_quoted = false;
    bool is_word = false;
    for (const char c : line) {
        if (c == ' ' && !is_quoted) {
            is_word = false;
            continue;
        }
        if (!is_word) words.emplace_back();
        is_word = true;
        if (c == '\'') {
            is_quoted = !is_quoted;
        } else {
            words.back().push_back(c);
        }
    }
    return words;
}

inline Outcome run_to_end(const std::string& program, const std::string& arguments) {
    std::vector<std::string> words = words_of(arguments);
    words.insert(words.begin(), program);
    std::vector<char*> raw;
    for (auto& word : words) raw.push_back(word.data());
    raw.push_back(nullptr);
    int ends[2] = {-1, -1};
    Outcome outcome;
    if (::pipe2(ends, O_CLOEXEC) != 0) return outcome;
    const Fd output(ends[0]);
    Fd input(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, input.get(), STDERR_FILENO);
    pid_t process = -1;
    const int failed = ::posix_spawn(&process, program.c_str(), &actions, nullptr, raw.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    input.reset();
    if (failed != 0) return outcome;
    char bytes[4096];
    for (ssize_t size = 0; (size = ::read(output.get(), bytes, sizeof bytes)) > 0;) {
        outcome.text.append(bytes, static_cast<std::size_t>(size));
    }
    int status = 0;
    ::waitpid(process, &status, 0);
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return outcome;
}

}  // namespace assent::cli

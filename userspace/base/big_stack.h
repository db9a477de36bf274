// Threads with a stack of a chosen size: for the parser, whose recursion follows the statement, and for the threads of the
// daemon that call it.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <functional>

#include "base/result.h"

namespace assent {

// One thread with one owner, who joins it. The work must not throw.
class StackThread {
public:
    // `stack_size_bytes` is address space; only the pages that are touched take memory. Errors: Errc::io when the system
    // gives no such thread.
    [[nodiscard]] static Result<StackThread> start(std::size_t stack_size_bytes, std::function<void()> work);

    StackThread(StackThread&& other) noexcept;
    StackThread& operator=(StackThread&& other) noexcept;
    StackThread(const StackThread&) = delete;
    StackThread& operator=(const StackThread&) = delete;
    ~StackThread() { join(); }

    // Waits until the work is done. Calling it again does nothing.
    void join() noexcept;

private:
    StackThread() = default;
    pthread_t thread_{};
    bool is_running_ = false;
};

// Does the work on a thread of its own and waits for it. The work must not throw; it was not begun when an error comes back.
[[nodiscard]] Result<> run_with_big_stack(std::size_t stack_size_bytes, const std::function<void()>& work);

}  // namespace assent

#include "base/big_stack.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

namespace assent {
namespace {

void* run_work(void* owned) {
    const std::unique_ptr<std::function<void()>> work(static_cast<std::function<void()>*>(owned));
    (*work)();
    return nullptr;
}

}  // namespace

Result<StackThread> StackThread::start(std::size_t stack_size_bytes, std::function<void()> work) {
    pthread_attr_t attributes;
    if (const int error = ::pthread_attr_init(&attributes); error != 0) return fail_errno("pthread_attr_init", error);
    int error = ::pthread_attr_setstacksize(&attributes, stack_size_bytes);
    StackThread thread;
    if (error == 0) {
        auto owned = std::make_unique<std::function<void()>>(std::move(work));
        error = ::pthread_create(&thread.thread_, &attributes, run_work, owned.get());
        if (error == 0) (void)owned.release();  // the thread owns it now
    }
    ::pthread_attr_destroy(&attributes);
    if (error != 0) return fail_errno(fmt::format("a thread with {} bytes of stack", stack_size_bytes), error);
    thread.is_running_ = true;
    return thread;
}

StackThread::StackThread(StackThread&& other) noexcept
    : thread_(other.thread_), is_running_(std::exchange(other.is_running_, false)) {}

StackThread& StackThread::operator=(StackThread&& other) noexcept {
    if (this != &other) {
        join();
        thread_ = other.thread_;
        is_running_ = std::exchange(other.is_running_, false);
    }
    return *this;
}

void StackThread::join() noexcept {
    if (std::exchange(is_running_, false)) ::pthread_join(thread_, nullptr);
}

Result<> run_with_big_stack(std::size_t stack_size_bytes, const std::function<void()>& work) {
    auto thread = StackThread::start(stack_size_bytes, work);
    if (!thread) return std::unexpected(std::move(thread.error()));
    thread->join();
    return {};
}

}  // namespace assent

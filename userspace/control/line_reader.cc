#include "control/line_reader.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>

#include "base/limits.h"
#include "base/time.h"

namespace assent::control {
namespace {

using std::chrono::milliseconds;

// Counts down from when it was made; negative: never over.
class Countdown {
public:
    explicit Countdown(milliseconds time) : time_(time), end_(std::chrono::steady_clock::now() + time) {}
    [[nodiscard]] int left_ms() const {
        if (time_ < milliseconds::zero()) return -1;
        const auto left = std::chrono::ceil<milliseconds>(end_ - std::chrono::steady_clock::now());
        return left <= milliseconds::zero() ? 0 : static_cast<int>(left.count());
    }

private:
    milliseconds time_;
    Moment end_;
};

// True: ready. False: the time is over.
Result<bool> wait_for(int descriptor, short events, const Countdown& countdown) {
    while (true) {
        pollfd waiting{descriptor, events, 0};
        const int ready = ::poll(&waiting, 1, countdown.left_ms());
        if (ready > 0) return true;
        if (ready == 0) return false;
        if (errno != EINTR) return fail_errno("poll", errno);
    }
}

}  // namespace

Result<std::string> LineReader::next(milliseconds idle, milliseconds transfer) {
    std::optional<Countdown> countdown;
    if (buffer_.empty()) {
        countdown.emplace(idle);
    } else {
        countdown.emplace(transfer);
    }
    while (true) {
        if (const auto end = buffer_.find('\n', searched_); end != std::string::npos) {
            std::string line = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            searched_ = 0;
            return line;
        }
        searched_ = buffer_.size();
        if (buffer_.size() > limits::control_message)
            return fail(Errc::limit, "a line is longer than the control socket takes");
        auto ready = wait_for(descriptor_, POLLIN, *countdown);
        if (!ready) return std::unexpected(std::move(ready.error()));
        if (!*ready)
            return fail(Errc::unavailable, buffer_.empty() ? "nothing was asked for a while" : "the line came too slowly");
        std::array<char, 64 * limits::KiB> bytes;  // NOLINT: filled by recv
        const ssize_t size = ::recv(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (size < 0) return fail_errno("receive", errno);
        if (size == 0)
            return fail(buffer_.empty() ? Errc::not_found : Errc::malformed, "the other side has closed the control socket");
        if (buffer_.empty()) countdown.emplace(transfer);
        buffer_.append(bytes.data(), static_cast<std::size_t>(size));
    }
}

Result<> send_all(int descriptor, std::string_view bytes, milliseconds timeout) {
    const Countdown countdown(timeout);
    while (!bytes.empty()) {
        const ssize_t size = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(size));
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return fail_errno("send", errno);
        auto ready = wait_for(descriptor, POLLOUT, countdown);
        if (!ready) return std::unexpected(std::move(ready.error()));
        if (!*ready) return fail(Errc::unavailable, "the other side does not read");
    }
    return {};
}

}  // namespace assent::control

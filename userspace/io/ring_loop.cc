#include "io/ring_loop.h"

#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <list>

#include "io/connection.h"
#include "io/listener.h"
#include "io/mailbox.h"
#include "io/timers.h"

namespace assent::io {
namespace {

using namespace std::chrono_literals;
constexpr auto accept_pause = 100ms;  // after accepting failed for want of descriptors

// A connect with its linked timeout.
class Connecting {
public:
    Connecting(Ring& ring, Fd socket, const model::Endpoint& to, Duration timeout,
               std::function<void(Connecting&, Result<Fd>)> done)
        : socket_(std::move(socket)), to_(to), done_(std::move(done)) {
        address_size_ = to.to(address_);
        timeout_.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(timeout).count();
        timeout_.tv_nsec = (timeout % 1s).count();
        ring.reserve(2);
        io_uring_sqe* connect = ring.entry(&connect_operation_);
        io_uring_prep_connect(connect, socket_.get(), reinterpret_cast<const sockaddr*>(&address_), address_size_);
        connect->flags |= IOSQE_IO_LINK;
        io_uring_prep_link_timeout(ring.entry(&timeout_operation_), &timeout_, 0);
    }

    // Nobody waits for it any more.
    void forget(Ring& ring) {
        done_ = [](Connecting&, const Result<Fd>&) {};
        io_uring_prep_cancel(ring.entry(nullptr), static_cast<Operation*>(&connect_operation_), 0);
    }

private:
    void connect_completed(int result, std::uint32_t) {
        is_connect_done_ = true;
        result_ = result;
        finish();
    }
    void timeout_completed(int, std::uint32_t) {
        is_timeout_done_ = true;
        finish();
    }
    void finish() {
        if (!is_connect_done_ || !is_timeout_done_) return;
        if (result_ == 0) return done_(*this, std::move(socket_));
        const std::string what = "connecting to " + to_.to_text();
        // Cancelled by nobody but its own timeout.
        done_(*this, fail_errno(what, result_ == -ECANCELED ? ETIMEDOUT : -result_));
    }

    Fd socket_;
    model::Endpoint to_;
    std::function<void(Connecting&, Result<Fd>)> done_;
    sockaddr_storage address_{};
    socklen_t address_size_ = 0;
    __kernel_timespec timeout_{};
    int result_ = 0;
    bool is_connect_done_ = false;
    bool is_timeout_done_ = false;
    BoundOperation<Connecting, &Connecting::connect_completed> connect_operation_{*this};
    BoundOperation<Connecting, &Connecting::timeout_completed> timeout_operation_{*this};
};

class RingLoop final : public Loop, private ConnectionHost {
public:
    RingLoop() = default;
    RingLoop(const RingLoop&) = delete;
    RingLoop& operator=(const RingLoop&) = delete;
    ~RingLoop() override;

    [[nodiscard]] Result<> open(const RingOptions& options);

    [[nodiscard]] Result<> accept_from(Fd listener, std::function<void(Fd)> accepted) override;
    void stop_accepting() override;
    void release_listeners(std::function<void()> done) override;
    [[nodiscard]] std::unique_ptr<Stream> adopt(Fd socket, Stream::Events& events) override;
    void connect(const model::Endpoint& to, Duration timeout, Stream::Events& events,
                 std::function<void(Result<std::unique_ptr<Stream>>)> done) override;
    [[nodiscard]] std::unique_ptr<Timer> at(Moment when, std::function<void()> callback) override {
        return timers_.at(when, std::move(callback));
    }
    void post(std::function<void()> task) override { mailbox_.post(std::move(task)); }
    void run() override;
    void stop() override { is_stopped_ = true; }
    void on_round(std::function<void()> callback) override { on_round_.push_back(std::move(callback)); }

private:
    Ring& ring() override { return ring_; }
    InputBuffers& input() override { return input_; }
    ChunkPool& chunks() override { return chunks_; }
    void schedule(Connection& connection) override;
    [[nodiscard]] bool is_sending_together() const noexcept override { return is_sending_together_; }
    void bury(Connection& connection) override { buried_.push_back(&connection); }

    void work();
    void sweep();
    void turn(std::optional<Duration> at_most);

    ChunkPool chunks_;
    Ring ring_;
    InputBuffers input_;
    Mailbox mailbox_;
    Timers timers_;
    RingOptions options_;
    std::list<Listener> listeners_;
    std::vector<std::unique_ptr<Timer>> accept_pauses_;
    std::function<void()> released_;
    std::list<std::unique_ptr<Connecting>> connecting_;
    std::vector<std::unique_ptr<Connecting>> connected_;  // done, deleted after the round
    std::vector<Connection*> scheduled_;
    std::vector<Connection*> working_;
    std::vector<Connection*> buried_;
    std::vector<std::function<void()>> on_round_;
    bool is_sending_together_ = false;
    bool is_stopped_ = false;
};

Result<> RingLoop::open(const RingOptions& options) {
    options_ = options;
    if (auto result = ring_.open(options); !result) return result;
    if (auto result = input_.open(ring_, options.may_provide_buffers); !result) return result;
    return mailbox_.open(ring_);
}

RingLoop::~RingLoop() {
    // The kernel must have let go of everything before its memory goes. What is left is on its way out: streams are
    // destroyed by now, which has shut their sockets.
    ring_.enable();
    stop_accepting();
    for (auto& each : connecting_) each->forget(ring_);
    mailbox_.post([] {});
    const Moment give_up = std::chrono::steady_clock::now() + 2s;
    while (ring_.pending() > 0 && std::chrono::steady_clock::now() < give_up) {
        ring_.turn(10ms);
        sweep();
    }
    sweep();
}

Result<> RingLoop::accept_from(Fd listener, std::function<void(Fd)> accepted) {
    if (::listen(listener.get(), SOMAXCONN) != 0) return fail_errno("listen", errno);
    auto pause = [this](Listener& failed) {
        accept_pauses_.push_back(at(std::chrono::steady_clock::now() + accept_pause, [&failed] { failed.arm(); }));
        if (accept_pauses_.size() > 2 * listeners_.size()) accept_pauses_.erase(accept_pauses_.begin());
    };
    listeners_.emplace_back(ring_, std::move(listener), std::move(accepted), std::move(pause),
                            options_.may_accept_multishot);
    listeners_.back().arm();
    return {};
}

void RingLoop::stop_accepting() {
    accept_pauses_.clear();
    for (auto& listener : listeners_) listener.stop();
}

void RingLoop::release_listeners(std::function<void()> done) {
    accept_pauses_.clear();
    for (auto& listener : listeners_) listener.release();
    released_ = std::move(done);
}

std::unique_ptr<Stream> RingLoop::adopt(Fd socket, Stream::Events& events) {
    return make_stream(*new Connection(*this, std::move(socket), events));  // bury() is where it ends
}

void RingLoop::connect(const model::Endpoint& to, Duration timeout, Stream::Events& events,
                       std::function<void(Result<std::unique_ptr<Stream>>)> done) {
    sockaddr_storage address{};
    (void)to.to(address);
    Fd socket(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) {
        auto error = fail_errno("socket", errno).error();
        post([done = std::move(done), error = std::move(error)] { done(std::unexpected(error)); });
        return;
    }
    auto finished = [this, &events, done = std::move(done)](Connecting& self, Result<Fd> connected) {
        auto place =
            std::find_if(connecting_.begin(), connecting_.end(), [&](const auto& each) { return each.get() == &self; });
        connected_.push_back(std::move(*place));
        connecting_.erase(place);
        if (!connected) return done(std::unexpected(connected.error()));
        done(adopt(std::move(*connected), events));
    };
    connecting_.push_back(std::make_unique<Connecting>(ring_, std::move(socket), to, timeout, std::move(finished)));
}

void RingLoop::schedule(Connection& connection) {
    if (connection.is_scheduled) return;
    connection.is_scheduled = true;
    scheduled_.push_back(&connection);
}

void RingLoop::work() {
    working_.swap(scheduled_);
    const auto sending = std::ranges::count_if(working_, [](const Connection* each) { return each->is_about_to_send(); });
    is_sending_together_ = sending > 1;
    for (Connection* each : working_) {
        each->is_scheduled = false;
        each->work();
    }
    working_.clear();
}

void RingLoop::sweep() {
    connected_.clear();
    std::erase_if(listeners_, [](const Listener& each) { return each.is_stopped() && each.is_idle(); });
    if (released_ && listeners_.empty()) post(std::exchange(released_, nullptr));
    std::vector<Connection*> later;
    for (Connection* each : buried_) {
        if (each->is_scheduled) {
            later.push_back(each);  // the list of the scheduled still points to it
        } else {
            delete each;
        }
    }
    buried_ = std::move(later);
}

void RingLoop::turn(std::optional<Duration> at_most) {
    mailbox_.arm();
    ring_.turn(at_most);
    timers_.run(std::chrono::steady_clock::now());
    mailbox_.run();
    work();
    for (const auto& callback : on_round_) callback();
    // Once more, so that what the round made goes out with the next submission.
    work();
    sweep();
}

void RingLoop::run() {
    ring_.enable();
    is_stopped_ = false;
    while (!is_stopped_) {
        std::optional<Duration> wait;
        if (!scheduled_.empty()) {
            wait = Duration::zero();
        } else if (const auto next = timers_.next()) {
            wait = std::max<Duration>(*next - std::chrono::steady_clock::now(), Duration::zero());
        }
        turn(wait);
    }
}

}  // namespace

Result<std::unique_ptr<Loop>> make_ring_loop(const RingOptions& options) {
    auto loop = std::make_unique<RingLoop>();
    if (auto result = loop->open(options); !result) return std::unexpected(result.error());
    return loop;
}

Result<std::unique_ptr<Loop>> Loop::make() { return make_ring_loop({}); }

}  // namespace assent::io

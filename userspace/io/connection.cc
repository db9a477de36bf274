#include "io/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cassert>
#include <cerrno>
#include <utility>

#include "base/limits.h"

namespace assent::io {
namespace {

// No delay for small messages, and a peer that vanished without a word is noticed within about two minutes.
void set_options(int socket) {
    const auto set = [&](int level, int name, int value) { (void)::setsockopt(socket, level, name, &value, sizeof value); };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
    set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

bool is_passing(int error) { return error == EINTR || error == EAGAIN || error == ENOBUFS || error == ECANCELED; }

// A reset says so once: where a send was told of it, a receive sees only an end.
bool is_reset(int socket) {
    tcp_info info{};
    socklen_t size = sizeof info;
    return ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_CLOSE;
}

std::string text_of(int error) { return fail_errno("connection", error).error().message; }

}  // namespace

Connection::Connection(ConnectionHost& host, Fd socket, Stream::Events& events)
    : host_(host), socket_(std::move(socket)), events_(&events), output_(host.chunks()) {
    set_options(socket_.get());
    host_.schedule(*this);
}

void Connection::send(Bytes bytes) {
    if (!is_live() || is_send_broken_ || is_shutting_ || bytes.empty()) return;
    if (output_.size() + bytes.size() > limits::output_maximum)
        return fail("the peer does not take its bytes: the output queue is full");
    output_.push(bytes);
    if (output_.size() >= limits::output_low_water) was_above_low_water_ = true;
    if (!is_send_pending_) host_.schedule(*this);
}

void Connection::resume_reading() {
    is_resumed_ = true;
    if (is_reading_) return;
    is_reading_ = true;
    host_.schedule(*this);
}

void Connection::shut() {
    if (is_shutting_) return;
    is_shutting_ = true;
    host_.schedule(*this);
}

void Connection::detach() {
    events_ = nullptr;
    leftover_ = {};
    // Everything that is under way completes by this. The descriptor stays open until then: entries that the kernel has not
    // seen yet name it by number, which nobody else may get meanwhile.
    ::shutdown(socket_.get(), SHUT_RDWR);
    if (is_poll_pending_ && is_poll_lasting_) cancel_poll();  // but what tells again and again
    if (!is_receive_pending_ && !is_poll_pending_ && !is_send_pending_) host_.bury(*this);
}

void Connection::finish_operation(bool& is_pending) {
    is_pending = false;
    if (events_ == nullptr && !is_receive_pending_ && !is_poll_pending_ && !is_send_pending_) host_.bury(*this);
}

void Connection::work() {
    if (events_ == nullptr) return;
    if (is_failed_) return tell_failure();
    if (is_reading_ && has_leftover()) offer_leftover();
    if (is_live() && !is_send_pending_ && !output_.is_empty()) send_queued();
    if (!is_live()) {
        if (events_ != nullptr) tell_failure();
        return;
    }
    if (is_shutting_ && !is_shut_ && output_.is_empty()) {
        is_shut_ = true;
        ::shutdown(socket_.get(), SHUT_WR);
    }
    if (is_receive_pending_) return;
    if (is_reading_ && !is_ended_ && !has_leftover()) {
        if (!host_.input().is_provided()) return ask_to_poll(POLLIN | POLLRDHUP);
        return ask_to_receive();
    }
    if (is_poll_pending_ || is_hung_up_) return;
    if (is_ended_ || is_closing_told_) return ask_for_changes();
    ask_to_poll(POLLRDHUP);
}

// ---- what arrives

void Connection::receive_completed(int result, std::uint32_t flags) {
    finish_operation(is_receive_pending_);
    if (result > 0) {
        may_have_more_ =
            (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0 || static_cast<std::size_t>(result) == limits::io_buffer_size;
        if (is_live()) take_in(host_.input().view(flags, static_cast<std::size_t>(result)));
    }
    host_.input().recycle(flags);
    if (!is_live()) return;
    if (result == 0) {
        note_end();
    } else if (result < 0 && !is_passing(-result)) {
        fail(text_of(-result));
    }
    if (events_ != nullptr) host_.schedule(*this);
}

void Connection::take_in(Bytes bytes) {
    const std::size_t taken = is_reading_ ? offer(bytes) : 0;
    if (events_ == nullptr || taken == bytes.size()) return;
    const Bytes rest = bytes.subspan(taken);
    leftover_.assign(rest.begin(), rest.end());
    leftover_begin_ = 0;
}

std::size_t Connection::offer(Bytes bytes) {
    is_resumed_ = false;
    const std::size_t taken = events_->received(bytes);
    assert(taken <= bytes.size());
    if (taken < bytes.size()) is_reading_ = is_resumed_;
    return taken;
}

void Connection::offer_leftover() {
    // Held apart during the call, which may do anything to this connection.
    ByteVector bytes = std::exchange(leftover_, {});
    std::size_t begin = std::exchange(leftover_begin_, 0);
    begin += offer(Bytes(bytes).subspan(begin));
    if (events_ == nullptr) return;
    if (begin < bytes.size()) {
        // What stays takes no more than twice its size, and is not copied at each small step.
        if (begin > bytes.size() / 2) {
            leftover_ = ByteVector(bytes.begin() + static_cast<std::ptrdiff_t>(begin), bytes.end());
        } else {
            leftover_ = std::move(bytes);
            leftover_begin_ = begin;
        }
        if (is_reading_) host_.schedule(*this);
    } else if (is_ended_) {
        note_end();
    }
}

void Connection::note_end() {
    is_ended_ = true;
    if (is_send_broken_) return fail("the peer closed the connection while it was sent to");
    if (is_send_pending_ && is_reset(socket_.get())) return fail(text_of(ECONNRESET));
    if (is_end_told_ || has_leftover()) return;
    is_end_told_ = true;
    events_->closed();
}

// ---- polling: for kernels without buffer rings, and while reading is paused

void Connection::poll_completed(int result, std::uint32_t flags) {
    if ((flags & IORING_CQE_F_MORE) == 0) finish_operation(is_poll_pending_);
    if (!is_live()) return;
    host_.schedule(*this);
    if (result < 0) {
        if (!is_passing(-result)) fail(text_of(-result));
        return;
    }
    const auto wants_bytes = is_reading_ && !is_ended_ && !has_leftover();
    if (wants_bytes && !host_.input().is_provided()) return read_readable();
    // A receive that is under way will say it itself.
    if (is_receive_pending_ || wants_bytes) return;
    note_hangup(result);
}

void Connection::read_readable() {
    const MutableBytes scratch = host_.input().scratch();
    const ssize_t size = ::recv(socket_.get(), scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (size > 0) return take_in(scratch.first(static_cast<std::size_t>(size)));
    if (size == 0) return note_end();
    if (!is_passing(errno)) fail(text_of(errno));
}

void Connection::note_hangup(int events) {
    int error = 0;
    socklen_t size = sizeof error;
    (void)::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail(text_of(error));
    if ((events & (POLLHUP | POLLERR)) != 0) is_hung_up_ = true;
    std::byte first{};
    const ssize_t waiting = ::recv(socket_.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (waiting < 0 && !is_passing(errno)) return fail(text_of(errno));
    if (waiting == 0) is_ended_ = true;
    if (is_ended_ && !has_leftover()) return note_end();
    const bool is_new = !std::exchange(is_closing_told_, true);
    if (is_new && (events & (POLLRDHUP | POLLHUP)) != 0) events_->closing();
}

// ---- what is sent

// Alone at once: a socket with room takes the bytes in the same time either way, and a completion that only says so would
// cost the loop a round. What does not fit is the ring's. With others in one submission: each system call of its own would
// be one more place where whoever it woke takes the processor from the loop.
void Connection::send_queued() {
    if (host_.is_sending_together()) return ask_to_send();
    message_ = {};
    message_.msg_iov = parts_.data();
    message_.msg_iovlen = output_.front(parts_);
    const ssize_t size = ::sendmsg(socket_.get(), &message_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size >= 0 || !is_passing(errno)) sent(size >= 0 ? static_cast<int>(size) : -errno);
    if (is_live() && !is_send_broken_ && !output_.is_empty()) ask_to_send();
}

void Connection::ask_to_send() {
    message_ = {};
    message_.msg_iov = parts_.data();
    message_.msg_iovlen = output_.front(parts_);
    io_uring_prep_sendmsg(host_.ring().entry(&send_operation_), socket_.get(), &message_, MSG_NOSIGNAL);
    is_send_pending_ = true;
}

void Connection::send_completed(int result, std::uint32_t) {
    finish_operation(is_send_pending_);
    if (!is_live()) return;
    host_.schedule(*this);
    sent(result);
}

void Connection::sent(int result) {
    if (result >= 0) {
        output_.consume(static_cast<std::size_t>(result));
        if (was_above_low_water_ && output_.size() < limits::output_low_water) {
            was_above_low_water_ = false;
            events_->drained();
        }
        return;
    }
    if (is_passing(-result)) return;
    output_.clear();
    is_send_broken_ = true;
    // Its last words (a server's error before it closed) may be in the socket still: the receive comes to the end of them.
    if (!is_receive_pending_ && !is_reading_) fail(text_of(-result));
}

// ---- failing, and asking the kernel

void Connection::fail(std::string why) {
    if (!is_live()) return;
    is_failed_ = true;
    why_ = std::move(why);
    host_.schedule(*this);
}

void Connection::tell_failure() {
    if (is_failure_told_) return;
    is_failure_told_ = true;
    leftover_ = {};
    leftover_begin_ = 0;
    if (!is_send_pending_) output_.clear();
    ::shutdown(socket_.get(), SHUT_RDWR);
    events_->failed(why_);
}

void Connection::ask_to_receive() {
    io_uring_sqe* entry = host_.ring().entry(&receive_operation_);
    io_uring_prep_recv(entry, socket_.get(), nullptr, limits::io_buffer_size, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = InputBuffers::group();
    if (!may_have_more_ && host_.ring().has_poll_first()) entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    is_receive_pending_ = true;
}

void Connection::ask_to_poll(unsigned events) {
    if (is_poll_pending_) {
        // One that waits for a hangup only does not wake for bytes: it is taken back, and asked anew when that is done.
        if ((events & ~poll_events_) != 0) cancel_poll();
        return;
    }
    io_uring_prep_poll_add(host_.ring().entry(&poll_operation_), socket_.get(), events);
    note_poll(events, false);
}

// After a FIN. The kernel adds POLLRDHUP to what is asked for, and a poll for what is true already completes at once: asked
// again each time, it would keep the loop busy until the connection ends. So this one stays and tells what is new.
void Connection::ask_for_changes() {
    io_uring_prep_poll_multishot(host_.ring().entry(&poll_operation_), socket_.get(), 0);
    note_poll(0, true);
}

void Connection::note_poll(unsigned events, bool is_lasting) {
    poll_events_ = events;
    is_poll_lasting_ = is_lasting;
    is_poll_pending_ = true;
    is_poll_cancelled_ = false;
}

void Connection::cancel_poll() {
    if (is_poll_cancelled_) return;
    is_poll_cancelled_ = true;
    io_uring_prep_cancel(host_.ring().entry(nullptr), static_cast<Operation*>(&poll_operation_), 0);
}

namespace {

class RingStream final : public Stream {
public:
    explicit RingStream(Connection& connection) : connection_(connection) {}
    ~RingStream() override { connection_.detach(); }
    RingStream(const RingStream&) = delete;
    RingStream& operator=(const RingStream&) = delete;

    void send(Bytes bytes) override { connection_.send(bytes); }
    [[nodiscard]] std::size_t queued_bytes() const override { return connection_.queued_bytes(); }
    void pause_reading() override { connection_.pause_reading(); }
    void resume_reading() override { connection_.resume_reading(); }
    void shut() override { connection_.shut(); }

private:
    Connection& connection_;
};

}  // namespace

std::unique_ptr<Stream> make_stream(Connection& connection) { return std::make_unique<RingStream>(connection); }

}  // namespace assent::io

// One socket on the ring. It outlives its Stream until the kernel has let go of its requests: the loop owns it.
#pragma once

#include <array>
#include <string>

#include "base/fd.h"
#include "io/input_buffers.h"
#include "io/loop.h"
#include "io/output_queue.h"
#include "io/ring.h"

namespace assent::io {

class Connection;

// What a connection needs of its loop.
class ConnectionHost {
public:
    virtual ~ConnectionHost() = default;
    [[nodiscard]] virtual Ring& ring() = 0;
    [[nodiscard]] virtual InputBuffers& input() = 0;
    [[nodiscard]] virtual ChunkPool& chunks() = 0;
    // work() is called once before the loop waits.
    virtual void schedule(Connection& connection) = 0;
    // Several connections send in this round.
    [[nodiscard]] virtual bool is_sending_together() const noexcept = 0;
    // Nobody needs it any more: it is deleted after the round.
    virtual void bury(Connection& connection) = 0;
};

class Connection {
public:
    Connection(ConnectionHost& host, Fd socket, Stream::Events& events);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void send(Bytes bytes);
    [[nodiscard]] std::size_t queued_bytes() const noexcept { return output_.size(); }
    void pause_reading() { is_reading_ = false; }
    void resume_reading();
    [[nodiscard]] bool is_about_to_send() const noexcept { return !is_send_pending_ && !output_.is_empty(); }
    void shut();
    // The stream is gone: its events are not called again.
    void detach();

    // Tells what is to be told, offers what was left, and asks the kernel for what comes next.
    void work();

    bool is_scheduled = false;  // the loop's: it is in the list of those whose work() shall be called

private:
    void receive_completed(int result, std::uint32_t flags);
    void poll_completed(int result, std::uint32_t flags);
    void send_completed(int result, std::uint32_t flags);

    void take_in(Bytes bytes);
    [[nodiscard]] std::size_t offer(Bytes bytes);
    void offer_leftover();
    void read_readable();
    void note_end();
    void note_hangup(int events);
    void fail(std::string why);
    void ask_to_receive();
    void ask_to_poll(unsigned events);
    void ask_for_changes();
    void note_poll(unsigned events, bool is_lasting);
    void cancel_poll();
    void send_queued();
    void ask_to_send();
    void sent(int result);
    void finish_operation(bool& is_pending);
    void tell_failure();
    [[nodiscard]] bool is_live() const noexcept { return events_ != nullptr && !is_failed_; }
    [[nodiscard]] bool has_leftover() const noexcept { return leftover_begin_ < leftover_.size(); }

    ConnectionHost& host_;
    Fd socket_;
    Stream::Events* events_;
    OutputQueue output_;
    ByteVector leftover_;  // what received() did not take; exact in size, so that a waiting flow is cheap
    std::size_t leftover_begin_ = 0;
    std::string why_;  // of the failure, until it is told

    static constexpr std::size_t parts_maximum = 16;
    std::array<iovec, parts_maximum> parts_{};
    msghdr message_{};

    BoundOperation<Connection, &Connection::receive_completed> receive_operation_{*this};
    BoundOperation<Connection, &Connection::poll_completed> poll_operation_{*this};
    BoundOperation<Connection, &Connection::send_completed> send_operation_{*this};
    bool is_receive_pending_ = false;
    bool is_poll_pending_ = false;
    bool is_poll_cancelled_ = false;
    bool is_poll_lasting_ = false;  // it tells more than once
    unsigned poll_events_ = 0;      // of the poll that is pending
    bool is_send_pending_ = false;

    bool is_reading_ = false;
    bool is_resumed_ = false;    // during received(): it asked to be offered the rest
    bool may_have_more_ = true;  // the last receive left bytes in the socket
    bool is_ended_ = false;      // FIN was read
    bool is_end_told_ = false;
    bool is_closing_told_ = false;
    bool is_hung_up_ = false;  // polling again would only say the same
    bool is_shutting_ = false;
    bool is_shut_ = false;
    bool is_send_broken_ = false;  // the peer takes nothing more; what it still said is read first
    bool is_failed_ = false;
    bool is_failure_told_ = false;
    bool was_above_low_water_ = false;
};

[[nodiscard]] std::unique_ptr<Stream> make_stream(Connection& connection);

}  // namespace assent::io

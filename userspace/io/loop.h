// One io_uring and its thread: sockets, timers, and a mailbox for other threads. The only user of liburing.
// Streams and timers go before their loop. A stream or a timer may be destroyed inside any callback, also its own.
// Completions are drained first, then callbacks run. All functions but post() belong to the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"
#include "model/address.h"

namespace assent::io {

// A connected stream. Reads only while asked to (it begins paused), holds no buffer while idle, queues what is sent. Over
// limits::output_maximum of queued output it has failed.
class Stream {
public:
    class Events {
    public:
        virtual ~Events() = default;
        // Takes a prefix and says how long it was. Less than all pauses the stream: the rest stays in it and is offered
        // again after resume_reading(), never from inside that call.
        [[nodiscard]] virtual std::size_t received(Bytes bytes) = 0;
        virtual void closed() = 0;  // FIN, after the last bytes were taken
        // FIN was noticed while reading is paused and bytes before it wait; closed() still comes after those were taken.
        virtual void closing() {}
        virtual void failed(std::string_view why) = 0;  // reset, or an error; nothing comes after it
        virtual void drained() = 0;                     // the output queue fell below limits::output_low_water
    };
    virtual ~Stream() = default;
    virtual void send(Bytes bytes) = 0;  // copied
    [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
    virtual void pause_reading() = 0;  // the peer's going away is still noticed
    virtual void resume_reading() = 0;
    virtual void shut() = 0;  // FIN once the queue is empty
    // Destroying the stream cancels what is under way and closes the socket; its Events are not called again.
};

class Loop {
public:
    virtual ~Loop() = default;
    [[nodiscard]] static Result<std::unique_ptr<Loop>> make();

    // Listens (the descriptor is bound already) and gives each accepted socket, until stop_accepting(), or until another
    // owner of the socket shuts it down.
    [[nodiscard]] virtual Result<> accept_from(Fd listener, std::function<void(Fd)> accepted) = 0;
    virtual void stop_accepting() = 0;
    // Lets go of the listeners without shutting them: connections wait for whoever else holds them. `done` is called once
    // when nothing more is accepted here.
    virtual void release_listeners(std::function<void()> done) = 0;
    [[nodiscard]] virtual std::unique_ptr<Stream> adopt(Fd socket, Stream::Events& events) = 0;
    // Connects within the timeout; `done` gets the stream or the reason, once. The events are used from then on.
    virtual void connect(const model::Endpoint& to, Duration timeout, Stream::Events& events,
                         std::function<void(Result<std::unique_ptr<Stream>>)> done) = 0;

    // Calls `callback` at `when`, once; the handle cancels it when destroyed.
    class Timer {
    public:
        virtual ~Timer() = default;
    };
    [[nodiscard]] virtual std::unique_ptr<Timer> at(Moment when, std::function<void()> callback) = 0;

    // From any thread: runs the task on the loop's thread.
    virtual void post(std::function<void()> task) = 0;
    // Until stop(); call from the loop's thread.
    virtual void run() = 0;
    virtual void stop() = 0;
    // After the callbacks of a round and before waiting: a good place for work that is done once a round.
    virtual void on_round(std::function<void()> callback) = 0;
};

}  // namespace assent::io

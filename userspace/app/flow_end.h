// One side of a flow: its stream, its TLS, and what has been said of its end.
#pragma once

#include <memory>

#include "io/loop.h"
#include "session/ports.h"
#include "tls/tls.h"

namespace assent::app {

class FlowEnd final : public io::Stream::Events {
public:
    class Owner {
    public:
        virtual ~Owner() = default;
        virtual std::size_t received(FlowEnd& end, Bytes bytes) = 0;
        virtual void ended(FlowEnd& end) = 0;   // FIN
        virtual void ending(FlowEnd& end) = 0;  // FIN behind bytes that were not taken
        virtual void failed(FlowEnd& end, std::string_view why) = 0;
        virtual void drained(FlowEnd& end) = 0;
    };

    FlowEnd(Owner& owner, session::Side which) : side(which), owner_(owner) {}

    // Queues bytes, encrypted when TLS runs. Nothing leaves in the clear once TLS was begun.
    [[nodiscard]] Result<> send(Bytes bytes);
    // Moves TLS: ciphertext goes out, plaintext is appended to `plaintext`.
    [[nodiscard]] Result<> drain_tls();
    // close_notify and FIN, after what is queued.
    void shut();
    [[nodiscard]] bool is_congested() const noexcept { return is_congested_; }
    [[nodiscard]] std::size_t queued_bytes() const { return stream ? stream->queued_bytes() : 0; }
    // Nothing more comes from it and nothing more goes to it.
    [[nodiscard]] bool is_over() const { return !stream || is_gone || (has_ended && stream->queued_bytes() == 0); }

    const session::Side side;
    std::unique_ptr<io::Stream> stream;
    std::unique_ptr<tls::Channel> channel;
    ByteVector plaintext;       // decrypted and not taken yet
    bool is_tls_ready = false;  // the session was told
    bool has_ended = false;     // FIN, or close_notify
    bool is_end_told = false;
    bool is_gone = false;  // failed
    bool is_shut = false;

private:
    std::size_t received(Bytes bytes) override { return owner_.received(*this, bytes); }
    void closed() override { owner_.ended(*this); }
    void closing() override { owner_.ending(*this); }
    void failed(std::string_view why) override { owner_.failed(*this, why); }
    void drained() override;
    void send_raw(Bytes bytes);

    Owner& owner_;
    bool is_congested_ = false;
};

}  // namespace assent::app

#include "app/flow_end.h"

#include "base/limits.h"

namespace assent::app {

void FlowEnd::send_raw(Bytes bytes) {
    if (!stream || is_gone) return;
    stream->send(bytes);
    if (stream->queued_bytes() > limits::output_high_water) is_congested_ = true;
}

Result<> FlowEnd::send(Bytes bytes) {
    if (is_gone || is_shut) return {};
    if (!stream) return fail(Errc::internal, "bytes for a side that is not connected");
    if (!channel) {
        send_raw(bytes);
        return {};
    }
    if (!channel->is_established()) return fail(Errc::internal, "bytes for a side whose TLS is not established");
    return channel->send(bytes, [this](Bytes ciphertext) { send_raw(ciphertext); });
}

Result<> FlowEnd::drain_tls() {
    return channel->drain([this](Bytes ciphertext) { send_raw(ciphertext); },
                          [this](Bytes bytes) { append(plaintext, bytes); });
}

void FlowEnd::shut() {
    if (is_shut || !stream) return;
    if (channel) channel->close([this](Bytes ciphertext) { send_raw(ciphertext); });
    is_shut = true;
    stream->shut();
}

void FlowEnd::drained() {
    is_congested_ = false;
    owner_.drained(*this);
}

}  // namespace assent::app

#include "app/upstream_cancel.h"

#include <array>
#include <utility>

#include "base/limits.h"

namespace assent::app {
namespace {

constexpr std::uint32_t cancel_request_code = 80877102;
constexpr std::uint32_t ssl_request_code = 80877103;

template <std::size_t count>
std::array<std::byte, 4 * count> message(const std::array<std::uint32_t, count>& words) {
    std::array<std::byte, 4 * count> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes.at(i) = static_cast<std::byte>(words.at(i / 4) >> (24 - 8 * (i % 4)));
    return bytes;
}

}  // namespace

UpstreamCancel::UpstreamCancel(io::Loop& loop, const CancelKey& key, std::function<void(std::string_view)> done)
    : key_(key), done_(std::move(done)) {
    loop.connect(key_.target, limits::upstream_connect_timeout, *this,
                 [this, is_alive = is_alive_](Result<std::unique_ptr<io::Stream>> result) {
                     if (*is_alive) connected(std::move(result));
                 });
    timeout_ =
        loop.at(std::chrono::steady_clock::now() + limits::upstream_connect_timeout, [this] { finish("it took too long"); });
}

void UpstreamCancel::connected(Result<std::unique_ptr<io::Stream>> result) {
    if (!result) return finish(result.error().message);
    stream_ = std::move(*result);
    stream_->resume_reading();
    if (key_.tls == nullptr) return send_request();
    stream_->send(message(std::array<std::uint32_t, 2>{8, ssl_request_code}));
}

std::size_t UpstreamCancel::received(Bytes bytes) {
    const std::size_t size = bytes.size();
    if (is_sent_) return size;  // the server says nothing to a CancelRequest
    if (channel_ == nullptr) {
        if (bytes.size() != 1 || bytes[0] != std::byte{'S'}) {
            finish("the server does not speak TLS");
            return size;
        }
        channel_ = tls::make_channel(key_.tls);
        bytes = {};
    }
    move_tls(bytes);
    return size;
}

void UpstreamCancel::move_tls(Bytes ciphertext) {
    auto result = channel_->received(ciphertext);
    if (result) result = channel_->drain([this](Bytes out) { stream_->send(out); }, [](Bytes) {});
    if (!result) return finish(result.error().message);
    if (channel_->is_established()) send_request();
}

void UpstreamCancel::send_request() {
    is_sent_ = true;
    const auto request = message(std::array<std::uint32_t, 4>{16, cancel_request_code, key_.process, key_.secret});
    if (channel_ == nullptr) {
        stream_->send(request);
    } else if (const auto result = channel_->send(request, [this](Bytes out) { stream_->send(out); }); !result) {
        return finish(result.error().message);
    }
    // The server closes when it has told the backend; only then the agent is told that it is done.
}

void UpstreamCancel::closed() { finish(is_sent_ ? "" : "the server closed before it was asked"); }

void UpstreamCancel::finish(std::string_view why) {
    timeout_.reset();
    // Servers that reset instead of closing have read the request all the same.
    if (auto done = std::exchange(done_, nullptr)) done(is_sent_ ? std::string_view() : why);
}

}  // namespace assent::app

#include "wire/detect/detect.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "wire/postgres/postgres.h"
#include "wire/tcp/tcp.h"

namespace assent::wire::detect {
namespace {

constexpr std::size_t seen_size = 8;  // the length and code of a start-up message
constexpr std::uint32_t protocol_3 = 3;
constexpr std::uint32_t request_codes = 1234;  // the upper half of requests for TLS, GSS and cancelling

bool is_postgres(Bytes bytes) {
    Cursor cursor(bytes);
    const std::uint32_t length = cursor.u32();
    const std::uint32_t upper = cursor.u32() >> 16U;
    return length >= seen_size && length <= limits::startup_message_size && (upper == protocol_3 || upper == request_codes);
}

class Detecting final : public Adapter {
public:
    explicit Detecting(Host& host) : host_(host) {}

    std::size_t received(Side side, Bytes bytes) override {
        if (inner_) return inner_->received(side, bytes);
        if (side != Side::agent) return 0;
        const std::size_t size = std::min(bytes.size(), seen_size - seen_.size());
        append(seen_, bytes.first(size));
        if (seen_.size() < seen_size) return size;
        become(is_postgres(seen_));
        return size + (size < bytes.size() && inner_->wants(side) ? inner_->received(side, bytes.subspan(size)) : 0);
    }
    bool wants(Side side) const override { return inner_ ? inner_->wants(side) : side == Side::agent; }
    void target_connected() override {
        if (inner_) inner_->target_connected();
    }
    void tls_ready(Side side) override {
        if (inner_) inner_->tls_ready(side);
    }
    void closed(Side side) override {
        if (!inner_) become(false);
        inner_->closed(side);
    }
    void proceed() override {
        if (!inner_) return become(false);
        inner_->proceed();
    }
    void notice(const Refusal& note) override {
        if (inner_) inner_->notice(note);
    }
    void terminate(const Refusal& why) override {
        if (!inner_) become(false);
        inner_->terminate(why);
    }
    bool is_idle() const override { return !inner_ || inner_->is_idle(); }
    bool is_tls_pending(Side side) const override { return inner_ && inner_->is_tls_pending(side); }

private:
    void become(bool is_postgres) {
        inner_ = is_postgres ? postgres::make_adapter({}, host_) : tcp::make_adapter(host_);
        if (!is_postgres) return inner_->proceed();
        // Whole: a start-up message of eight bytes is taken at once.
        (void)inner_->received(Side::agent, seen_);
    }

    Host& host_;
    ByteVector seen_;
    std::unique_ptr<Adapter> inner_;
};

}  // namespace

std::unique_ptr<Adapter> make_adapter(Host& host) { return std::make_unique<Detecting>(host); }

}  // namespace assent::wire::detect

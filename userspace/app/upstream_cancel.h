// Sends one CancelRequest to a PostgreSQL server on a connection of its own, behind TLS where the target requires it
// (https://www.postgresql.org/docs/current/protocol-flow.html, "Canceling Requests in Progress"). Thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "app/cancel_keys.h"
#include "io/loop.h"

namespace assent::app {

class UpstreamCancel final : private io::Stream::Events {
public:
    // `done` is called once, with why it failed or nothing; it may destroy this.
    UpstreamCancel(io::Loop& loop, const CancelKey& key, std::function<void(std::string_view why)> done);
    ~UpstreamCancel() override { *is_alive_ = false; }
    UpstreamCancel(const UpstreamCancel&) = delete;
    UpstreamCancel& operator=(const UpstreamCancel&) = delete;

private:
    std::size_t received(Bytes bytes) override;
    void closed() override;
    void failed(std::string_view why) override { finish(why); }
    void drained() override {}

    void connected(Result<std::unique_ptr<io::Stream>> result);
    void move_tls(Bytes ciphertext);
    void send_request();
    void finish(std::string_view why);

    CancelKey key_;
    std::function<void(std::string_view)> done_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
    std::unique_ptr<io::Stream> stream_;
    std::unique_ptr<tls::Channel> channel_;
    std::unique_ptr<io::Loop::Timer> timeout_;
    bool is_sent_ = false;
};

}  // namespace assent::app

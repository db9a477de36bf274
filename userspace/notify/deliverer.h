// Brings notices to one channel: a queue that does not grow over its limit, a thread, and another try after a while where
// that may help. Thread: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "notify/channel.h"

namespace assent::notify {

struct ChannelState {
    std::string channel;
    bool is_failing = false;
    std::string why;
    std::uint64_t delivered = 0;
    std::uint64_t dropped = 0;
};

class Deliverer {
public:
    // `report` is told of each change, on the deliverer's thread. The first pause before another try is doubled each time.
    Deliverer(std::unique_ptr<Channel> channel, std::function<void(const ChannelState&)> report,
              std::chrono::milliseconds first_pause);
    ~Deliverer();
    Deliverer(const Deliverer&) = delete;
    Deliverer& operator=(const Deliverer&) = delete;

    // Never waits. One that the channel does not want is left out; when the queue is full it is dropped, and counted.
    void put(const Notice& notice);
    [[nodiscard]] ChannelState state() const;

private:
    void run();
    // The next one to deliver; nothing at the end.
    [[nodiscard]] std::optional<Notice> next();
    // True: delivered. False: given up.
    [[nodiscard]] bool deliver(const Notice& notice);
    void tell(bool is_failing, std::string why);

    std::unique_ptr<Channel> channel_;
    std::function<void(const ChannelState&)> report_;
    std::chrono::milliseconds first_pause_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Notice> queue_;
    ChannelState state_;
    bool is_over_ = false;
    std::thread thread_;
};

}  // namespace assent::notify

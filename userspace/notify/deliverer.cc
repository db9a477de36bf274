#include "notify/deliverer.h"

#include <algorithm>
#include <optional>

#include <spdlog/spdlog.h>

#include "base/limits.h"
#include "base/shown_text.h"

namespace assent::notify {

Deliverer::Deliverer(std::unique_ptr<Channel> channel, std::function<void(const ChannelState&)> report,
                     std::chrono::milliseconds first_pause)
    : channel_(std::move(channel)), report_(std::move(report)), first_pause_(first_pause) {
    state_.channel = channel_->name();
    thread_ = std::thread([this] { run(); });
}

Deliverer::~Deliverer() {
    {
        const std::scoped_lock lock(mutex_);
        is_over_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Deliverer::put(const Notice& notice) {
    if (!channel_->wants(notice)) return;
    const std::scoped_lock lock(mutex_);
    if (queue_.size() >= limits::notice_queue) {
        ++state_.dropped;
        return;
    }
    queue_.push_back(notice);
    changed_.notify_one();
}

ChannelState Deliverer::state() const {
    const std::scoped_lock lock(mutex_);
    return state_;
}

std::optional<Notice> Deliverer::next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_over_ || !queue_.empty(); });
    if (is_over_) return std::nullopt;
    Notice notice = std::move(queue_.front());
    queue_.pop_front();
    return notice;
}

void Deliverer::tell(bool is_failing, std::string why) {
    ChannelState state;
    {
        const std::scoped_lock lock(mutex_);
        state_.is_failing = is_failing;
        state_.why = std::move(why);
        state = state_;
    }
    report_(state);
}

bool Deliverer::deliver(const Notice& notice) {
    std::chrono::milliseconds pause = first_pause_;
    for (std::size_t attempt = 1;; ++attempt) {
        const auto delivered = channel_->deliver(notice);
        if (delivered) return true;
        const std::string why = shown_text(delivered.error().message);
        spdlog::warn("{}: {}", channel_->name(), why);
        tell(true, why);
        if (delivered.error().code == Errc::invalid || attempt >= limits::notice_attempts) return false;
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, pause, [this] { return is_over_; })) return false;
        pause = std::min(pause * 2, std::chrono::milliseconds(limits::notice_longest_pause));
    }
}

void Deliverer::run() {
    while (const auto notice = next()) {
        const bool is_delivered = deliver(*notice);
        bool was_failing = false;
        {
            const std::scoped_lock lock(mutex_);
            ++(is_delivered ? state_.delivered : state_.dropped);
            was_failing = state_.is_failing;
        }
        if (is_delivered) {
            tell(false, "");
            if (was_failing) spdlog::info("{}: it works again", channel_->name());
        }
    }
}

}  // namespace assent::notify

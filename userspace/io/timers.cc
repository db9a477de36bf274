#include "io/timers.h"

namespace assent::io {

class Timers::Handle final : public Loop::Timer {
public:
    Handle(Timers& timers, const Key& key) : timers_(timers), key_(key) {}
    ~Handle() override { timers_.waiting_.erase(key_); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

private:
    Timers& timers_;
    Key key_;
};

std::unique_ptr<Loop::Timer> Timers::at(Moment when, std::function<void()> callback) {
    const Key key{when, ++count_};
    waiting_.emplace(key, std::move(callback));
    return std::make_unique<Handle>(*this, key);
}

std::optional<Moment> Timers::next() const {
    if (waiting_.empty()) return std::nullopt;
    return waiting_.begin()->first.first;
}

void Timers::run(Moment now) {
    // Those that a callback adds wait for the next round, so that one that is always due cannot keep the loop.
    const std::uint64_t last = count_;
    while (!waiting_.empty()) {
        auto first = waiting_.begin();
        while (first != waiting_.end() && first->first.first <= now && first->first.second > last) ++first;
        if (first == waiting_.end() || first->first.first > now) return;
        auto callback = std::move(first->second);
        waiting_.erase(first);
        callback();
    }
}

}  // namespace assent::io

#include "session/cache.h"

#include "base/limits.h"
#include "session/session.h"

namespace assent::session {

std::shared_ptr<const sql::Parsed> Cache::parse(std::string_view text) {
    if (const auto found = by_text_.find(text); found != by_text_.end()) {
        order_.splice(order_.begin(), order_, found->second);
        return order_.front();
    }
    auto parsed = sql::parse(text);
    if (text.size() > limits::analysis_cache_text) return parsed;
    if (order_.size() >= limits::analysis_cache_entries) {
        by_text_.erase(order_.back()->text);
        order_.pop_back();
    }
    order_.push_front(parsed);
    by_text_.emplace(order_.front()->text, order_.begin());
    return parsed;
}

std::shared_ptr<Cache> make_cache() { return std::make_shared<Cache>(); }

}  // namespace assent::session

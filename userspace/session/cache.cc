#include "session/cache.h"

#include "base/limits.h"
#include "session/session.h"

namespace assent::session {

RecentTexts::Parsed RecentTexts::find(std::string_view key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return order_.front().parsed;
}

void RecentTexts::add(std::string key, Parsed parsed) {
    if (order_.size() >= limits::analysis_cache_entries) {
        by_key_.erase(order_.back().key);
        order_.pop_back();
    }
    order_.push_front({std::move(key), std::move(parsed)});
    by_key_.emplace(order_.front().key, order_.begin());
}

std::shared_ptr<const sql::Parsed> Cache::parse(std::string_view text) {
    if (text.size() > limits::analysis_cache_text) return sql::parse(text);
    if (auto known = by_text_.find(text)) return known;
    auto parsed = sql::parse(text);
    by_text_.add(std::string(text), parsed);
    return parsed;
}

std::shared_ptr<const sql::Parsed> Cache::parse_by_shape(std::string_view text) {
    if (!shape_.read(text)) return parse(text);
    if (const auto lender = by_shape_.find(shape_.key)) return sql::with_text(*lender, text);
    auto parsed = parse(text);
    if (sql::may_lend_tree(*parsed, shape_)) by_shape_.add(shape_.key, parsed);
    return parsed;
}

std::shared_ptr<Cache> make_cache() { return std::make_shared<Cache>(); }

}  // namespace assent::session

// What the sessions of one thread share: parse trees by text, so that a statement that comes again is not parsed again.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sql/parse.h"

namespace assent::session {

class Cache {
public:
    // Parses, or gives what an equal text gave before. Texts over limits::analysis_cache_text are not kept.
    [[nodiscard]] std::shared_ptr<const sql::Parsed> parse(std::string_view text);

private:
    using Order = std::list<std::shared_ptr<const sql::Parsed>>;  // the most recently used first

    Order order_;
    std::unordered_map<std::string_view, Order::iterator> by_text_;  // views into the Parsed
};

}  // namespace assent::session

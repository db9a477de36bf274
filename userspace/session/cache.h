// What the sessions of one thread share: parse trees, so that a statement that comes again is not parsed again, whether it
// is the very text or one that differs in its constants (sql/shape.h).
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sql/parse.h"
#include "sql/shape.h"

namespace assent::session {

// By a key, the most recently used first; of limits::analysis_cache_entries.
class RecentTexts {
public:
    using Parsed = std::shared_ptr<const sql::Parsed>;
    // Null: not there.
    [[nodiscard]] Parsed find(std::string_view key);
    void add(std::string key, Parsed parsed);

private:
    struct Entry {
        std::string key;
        Parsed parsed;
    };
    std::list<Entry> order_;
    std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;  // views into the entries
};

class Cache {
public:
    // Parses, or gives what an equal text gave before. Texts over limits::analysis_cache_text are not kept.
    [[nodiscard]] std::shared_ptr<const sql::Parsed> parse(std::string_view text);
    // The same for a text that is run at once: it may be lent the tree of another of its shape.
    [[nodiscard]] std::shared_ptr<const sql::Parsed> parse_by_shape(std::string_view text);

    // Buffers for the record that is being made, kept for their memory.
    std::string members;
    std::string parameters;

private:
    RecentTexts by_text_;
    RecentTexts by_shape_;
    sql::Shape shape_;  // of the text at hand; kept for its memory
};

}  // namespace assent::session

// Records of what has happened already, kept while the log cannot take them, in their order and with their time. The owner
// bounds them: is_over_limit() says when it must let nothing new happen. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "model/record.h"

namespace assent::model {

class KeptRecords {
public:
    explicit KeptRecords(std::size_t limit_bytes = static_cast<std::size_t>(-1)) : limit_bytes_(limit_bytes) {}

    // `when` is taken from the draft. Over the limit bodies are left out; over twice the limit all but the ends of sessions
    // and holds. What is left out so is counted, and told by a record of its own behind the kept ones.
    void add(const RecordDraft& draft, WallTime now, bool with_bodies = true);
    // All of another's, behind these.
    void take(KeptRecords&& other);
    // Gives them to the log until it takes no more. True: none is left.
    bool retry(RecordSink& sink);

    [[nodiscard]] bool is_empty() const noexcept { return records_.empty() && left_out_ == 0; }
    [[nodiscard]] bool is_over_limit() const noexcept { return size_bytes_ > limit_bytes_; }
    [[nodiscard]] std::size_t count() const noexcept { return records_.size() + left_out_; }
    [[nodiscard]] std::size_t size_bytes() const noexcept { return size_bytes_; }

private:
    struct Kept {
        std::string type;
        std::string session;
        std::string members;
        std::vector<std::pair<std::string, std::string>> bodies;
        WallTime when;
    };
    static std::size_t size_of(const Kept& kept);
    static Result<RecordTicket> give(RecordSink& sink, const Kept& kept);
    void keep(Kept kept);

    std::size_t limit_bytes_;
    std::deque<Kept> records_;
    std::size_t size_bytes_ = 0;  // of records_
    std::size_t left_out_ = 0;
};

}  // namespace assent::model

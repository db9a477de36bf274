// Makes frames of a draft as it lies in a lane.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/digest.h"

namespace assent::record {

// Composes records one after the other; keeps what is the same from one to the next. Thread: one.
class Composer {
public:
    // Appends the body frames and the leaf frame of a packed draft; gives the hash of the leaf.
    [[nodiscard]] Digest append_record(std::string& out, Bytes packed, std::uint64_t seq);

private:
    void append_time(std::string& out, std::int64_t time_us);

    std::string bodies_;       // the leaf's last member, while its frames are made
    std::string second_text_;  // "2026-11-22T14:29:36." of second_
    std::int64_t second_ = -1;
};

}  // namespace assent::record

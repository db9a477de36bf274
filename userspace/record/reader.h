// Reads the records of a log in order, also while the daemon writes it. It shows what is there; only verify() says whether
// that is what was written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/time.h"
#include "record/segment.h"
#include "record/segment_reader.h"

namespace assent::record {

struct ReadOptions {
    bool wants_bodies = false;      // otherwise they are passed over unread
    bool follows = false;           // after the end next() looks again for what was written since
    std::optional<WallTime> since;  // segments that ended before it are passed over; earlier records can still come
};

// One record. Views are valid until the next call of the reader.
struct Entry {
    std::uint64_t seq = 0;
    std::string_view leaf;  // the JSON line
    LeafStart start;
    struct Body {
        Bytes bytes;
        bool is_erased = false;
    };
    std::vector<Body> bodies;  // as the leaf names them, in order; empty when they were not wanted
};

class Reader {
public:
    // Errc::not_found when the folder cannot be read.
    [[nodiscard]] static Result<Reader> open(const std::filesystem::path& folder, ReadOptions options = {});

    // The next record; nothing at the end, which with `follows` is the end for now. An error tells of a damaged segment: the
    // call after it goes on with the next one.
    [[nodiscard]] Result<std::optional<Entry>> next();

private:
    struct BodyPlace {
        std::size_t begin = 0;
        std::size_t size = 0;
        bool is_erased = false;
    };
    [[nodiscard]] Result<bool> next_segment();
    [[nodiscard]] Result<> look_for_more();
    [[nodiscard]] std::optional<Entry> take(const SegmentReader::Item& item);

    std::filesystem::path folder_;
    ReadOptions options_;
    std::vector<SegmentName> segments_;
    std::size_t next_ = 0;            // of segments_
    std::uint64_t record_begin_ = 0;  // in the segment of reader_: where the record begins that is not whole yet
    std::optional<SegmentReader> reader_;
    std::string body_bytes_;
    std::vector<BodyPlace> places_;
};

// A leaf as JSON with its members in order; nothing when it is not an object. Bodies of text are at most as long as stored.
[[nodiscard]] std::optional<nlohmann::ordered_json> parse_leaf(std::string_view leaf);
// The body of this name; nothing when the record has none or it was erased.
[[nodiscard]] std::optional<std::string_view> body_named(const Entry& entry, const nlohmann::ordered_json& leaf,
                                                         std::string_view name);

// "2026-11-22T14:29:36.123456Z", "2026-11-22T14:29", "2026-11-22", all UTC; or an age, "90s", "15m", "12h", "7d".
[[nodiscard]] std::optional<WallTime> parse_time(std::string_view text, WallTime now);

}  // namespace assent::record

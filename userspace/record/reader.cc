#include "record/reader.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>

#include <fmt/format.h>

#include "base/json_depth.h"
#include "base/limits.h"

namespace assent::record {
namespace {

// When a segment's first record was made; nothing when it cannot be read. The header says a time as well, but nothing
// confirms that one, and somebody could have later segments hide earlier ones by it.
std::optional<WallTime> begin_of(const std::filesystem::path& folder, const SegmentName& name) {
    auto reader = SegmentReader::open(folder / segment_file(name.first));
    if (!reader) return std::nullopt;
    reader->skip_bodies(true);
    for (;;) {
        const auto item = reader->next();
        if (!item || item->is_end || item->frame.fault != FrameFault::none) return std::nullopt;
        if (item->frame.kind != FrameKind::leaf) continue;
        const auto start = leaf_start(as_text(item->frame.payload));
        return start ? parse_time(start->time, {}) : std::nullopt;
    }
}

// The last segment that was begun at `since` or before: what is older is not asked for.
std::size_t first_wanted(const std::filesystem::path& folder, const std::vector<SegmentName>& segments, WallTime since) {
    for (std::size_t i = segments.size(); i > 0; --i) {
        const auto begin = begin_of(folder, segments[i - 1]);
        if (begin && *begin <= since) return i - 1;
    }
    return 0;
}

}  // namespace

Result<Reader> Reader::open(const std::filesystem::path& folder, ReadOptions options) {
    auto segments = list_segments(folder);
    if (!segments) return std::unexpected(segments.error());
    std::erase_if(*segments, [](const SegmentName& name) { return !name.has_data; });
    Reader reader;
    reader.folder_ = folder;
    reader.options_ = options;
    reader.segments_ = std::move(*segments);
    if (options.since) reader.next_ = first_wanted(folder, reader.segments_, *options.since);
    return reader;
}

// False: there is none.
Result<bool> Reader::next_segment() {
    while (next_ < segments_.size()) {
        auto opened = SegmentReader::open(folder_ / segment_file(segments_[next_++].first));
        // Pruned since it was listed, or not made to its end yet.
        const bool is_last = next_ == segments_.size();
        if (!opened && (opened.error().code == Errc::not_found || (is_last && opened.error().code == Errc::malformed)))
            continue;
        if (!opened) return std::unexpected(opened.error());
        reader_ = std::move(*opened);
        reader_->skip_bodies(!options_.wants_bodies);
        record_begin_ = 0;
        body_bytes_.clear();
        places_.clear();
        return true;
    }
    return false;
}

Result<std::optional<Entry>> Reader::next() {
    body_bytes_.clear();
    places_.clear();
    for (;;) {
        if (!reader_) {
            if (options_.follows && next_ == segments_.size()) {
                if (auto more = look_for_more(); !more) return std::unexpected(more.error());
            }
            const auto has_segment = next_segment();
            if (!has_segment) return std::unexpected(has_segment.error());
            if (!*has_segment) return std::nullopt;
        }
        const auto item = reader_->next();
        const bool is_newest = next_ == segments_.size();
        if (options_.follows && is_newest && item && (item->is_end || item->frame.fault == FrameFault::incomplete)) {
            const auto known = segments_.size();
            if (auto more = look_for_more(); !more) return std::unexpected(more.error());
            // A segment that has a successor has its end.
            if (item->is_end && segments_.size() > known) {
                reader_.reset();
                continue;
            }
            reader_->seek(record_begin_);
            return std::nullopt;
        }
        if (!item || item->is_end || item->frame.fault != FrameFault::none) {
            reader_.reset();
            if (!item) return std::unexpected(item.error());
            const bool is_unfinished_end = item->frame.fault == FrameFault::incomplete && next_ == segments_.size();
            if (item->is_end || is_unfinished_end) continue;
            return fail(Errc::malformed,
                        fmt::format("{} is damaged at offset {}: {}; run `assent verify`",
                                    segment_file(segments_[next_ - 1].first), item->offset, name_of(item->frame.fault)));
        }
        auto entry = take(*item);
        const bool is_body = item->frame.kind == FrameKind::body || item->frame.kind == FrameKind::erased;
        if (!is_body) record_begin_ = reader_->offset();
        if (entry) return entry;
    }
}

Result<> Reader::look_for_more() {
    auto segments = list_segments(folder_);
    if (!segments) return std::unexpected(segments.error());
    for (const SegmentName& name : *segments) {
        if (name.has_data && (segments_.empty() || name.first > segments_.back().first)) segments_.push_back(name);
    }
    return {};
}

std::optional<Entry> Reader::take(const SegmentReader::Item& item) {
    const bool is_body = item.frame.kind == FrameKind::body || item.frame.kind == FrameKind::erased;
    const bool has_space =
        body_bytes_.size() + item.frame.payload.size() <= limits::record_lane_bytes + limits::record_frame;
    if (is_body && options_.wants_bodies && places_.size() < limits::record_bodies) {
        // One that has no space keeps its place, so that the others keep their names.
        const auto payload = has_space ? as_text(item.frame.payload) : std::string_view();
        places_.push_back({body_bytes_.size(), payload.size(), item.frame.kind == FrameKind::erased || !has_space});
        body_bytes_ += payload;
    }
    if (item.frame.kind != FrameKind::leaf) return std::nullopt;
    Entry entry;
    entry.leaf = as_text(item.frame.payload);
    if (const auto start = leaf_start(entry.leaf)) entry.start = *start;
    entry.seq = entry.start.seq;
    for (const auto& place : places_) {
        entry.bodies.push_back({as_bytes(std::string_view(body_bytes_).substr(place.begin, place.size)), place.is_erased});
    }
    return entry;
}

std::optional<nlohmann::ordered_json> parse_leaf(std::string_view leaf) {
    if (json_depth(leaf) > limits::record_depth) return std::nullopt;
    auto json = nlohmann::ordered_json::parse(leaf, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    return json;
}

std::optional<std::string_view> body_named(const Entry& entry, const nlohmann::ordered_json& leaf, std::string_view name) {
    const auto bodies = leaf.find("bodies");
    if (bodies == leaf.end() || !bodies->is_object()) return std::nullopt;
    std::size_t index = 0;
    for (const auto& [key, value] : bodies->items()) {
        if (key == name && index < entry.bodies.size() && !entry.bodies[index].is_erased)
            return as_text(entry.bodies[index].bytes);
        ++index;
    }
    return std::nullopt;
}

std::optional<WallTime> parse_time(std::string_view text, WallTime now) {
    if (text.empty() || text.size() > 40) return std::nullopt;
    const std::string copy(text);
    long amount = 0;
    const auto [after, problem] = std::from_chars(copy.data(), copy.data() + copy.size(), amount);
    if (problem == std::errc() && after == copy.data() + copy.size() - 1 && amount >= 0 && amount < 1'000'000'000) {
        switch (copy.back()) {
            case 's':
                return now - std::chrono::seconds(amount);
            case 'm':
                return now - std::chrono::minutes(amount);
            case 'h':
                return now - std::chrono::hours(amount);
            case 'd':
                return now - std::chrono::hours(24) * std::min(amount, 100'000L);
            default:
                return std::nullopt;
        }
    }
    std::tm parts{};
    int used = 0;
    const char* rest = ::strptime(copy.c_str(), "%Y-%m-%d", &parts);
    if (rest == nullptr) return std::nullopt;
    if (*rest == 'T' || *rest == ' ') {
        const char* const clock = rest + 1;
        rest = ::strptime(clock, "%H:%M:%S", &parts);
        if (rest == nullptr) rest = ::strptime(clock, "%H:%M", &parts);
        if (rest == nullptr) return std::nullopt;
    }
    double fraction = 0;
    if (*rest == '.' && std::sscanf(rest, "%lf%n", &fraction, &used) == 1) rest += used;
    if (*rest == 'Z') ++rest;
    if (*rest != '\0') return std::nullopt;
    return std::chrono::system_clock::from_time_t(::timegm(&parts)) +
           std::chrono::microseconds(static_cast<long>(fraction * 1e6 + 0.5));
}

}  // namespace assent::record

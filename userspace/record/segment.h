// Segments: files of frames, each named by the number of its first record, each beginning with a header that says where the
// tree stood. Beside each stands NAME.hashes with 32 bytes a leaf, which outlives the segment.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "record/tree.h"

namespace assent::record {

struct SegmentName {
    std::uint64_t first = 0;  // the number of its first record
    bool has_data = false;    // the segment itself is there; otherwise only its hashes are
    bool has_hashes = false;
};

inline constexpr std::string_view segment_suffix = ".seg";
inline constexpr std::string_view hashes_suffix = ".hashes";
inline constexpr std::string_view checkpoint_name = "checkpoint";

// "00000000000000000042.seg"
[[nodiscard]] std::string segment_file(std::uint64_t first, std::string_view suffix = segment_suffix);
// By first record; other files are passed over.
[[nodiscard]] Result<std::vector<SegmentName>> list_segments(const std::filesystem::path& folder);

struct SegmentHeader {
    std::string origin;
    std::string time;
    Tree tree;  // as it stood before the first record; its size is that record's number
};

// The magic and the header frame.
[[nodiscard]] std::string compose_segment_start(std::string_view origin, std::string_view time, const Tree& tree);
// Of a header frame's payload.
[[nodiscard]] std::optional<SegmentHeader> parse_header(std::string_view payload);

// The members that every leaf begins with, read without a JSON parser: {"seq":N,"time":"T","type":"Y"[,"session":"S"]…
// Absent when the leaf does not begin so. Views into the leaf.
struct LeafStart {
    std::uint64_t seq = 0;
    std::string_view time;
    std::string_view type;
    std::string_view session;
};
[[nodiscard]] std::optional<LeafStart> leaf_start(std::string_view leaf) noexcept;

}  // namespace assent::record

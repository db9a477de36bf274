// A frame of a segment: {u32 length of the payload, u8 kind, payload, u32 crc32c of all before}, big-endian. FORMAT.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace assent::record {

enum class FrameKind : std::uint8_t {
    header = 'H',      // the first of a segment
    body = 'B',        // belongs to the next leaf
    erased = 'X',      // a body that was taken out: as long as before, all zeros
    leaf = 'L',        // one record, a leaf of the tree
    checkpoint = 'C',  // a signed note about the tree so far
};

inline constexpr std::size_t frame_head_size = 5;
inline constexpr std::size_t frame_overhead = 9;
inline constexpr std::string_view segment_magic = "assent1\n";

// Appends a frame in place: begin_frame(), append the payload to `out`, end_frame() with what begin_frame() gave.
[[nodiscard]] std::size_t begin_frame(std::string& out, FrameKind kind);
void end_frame(std::string& out, std::size_t begin);
void append_frame(std::string& out, FrameKind kind, std::string_view payload);

enum class FrameFault : std::uint8_t {
    none = 0,
    incomplete,  // the bytes end before the frame does
    bad_length,  // longer than limits::record_frame: not a frame
    bad_kind,
    bad_checksum,  // whole, and not what was written
};

struct Frame {
    FrameFault fault = FrameFault::none;
    FrameKind kind = FrameKind::header;
    Bytes payload;         // also with bad_checksum
    std::size_t size = 0;  // of the whole frame; with `incomplete` how much it would need
};

// The frame at the start of `bytes`.
[[nodiscard]] Frame read_frame(Bytes bytes) noexcept;

[[nodiscard]] std::string_view name_of(FrameFault fault) noexcept;

}  // namespace assent::record

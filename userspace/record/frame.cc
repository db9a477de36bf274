#include "record/frame.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "record/crc32c.h"

namespace assent::record {
namespace {

void put_u32(char* out, std::uint32_t value) {
    for (int i = 3; i >= 0; --i, value >>= 8U) out[i] = static_cast<char>(value & 0xFFU);
}

bool is_kind(std::uint8_t kind) {
    switch (static_cast<FrameKind>(kind)) {
        case FrameKind::header:
        case FrameKind::body:
        case FrameKind::erased:
        case FrameKind::leaf:
        case FrameKind::checkpoint:
            return true;
    }
    return false;
}

}  // namespace

std::size_t begin_frame(std::string& out, FrameKind kind) {
    const std::size_t begin = out.size();
    out.append(frame_head_size - 1, '\0');
    out.push_back(static_cast<char>(kind));
    return begin;
}

void end_frame(std::string& out, std::size_t begin) {
    put_u32(&out[begin], static_cast<std::uint32_t>(out.size() - begin - frame_head_size));
    const std::uint32_t crc = crc32c(as_bytes(std::string_view(out).substr(begin)));
    out.append(sizeof crc, '\0');
    put_u32(&out[out.size() - sizeof crc], crc);
}

void append_frame(std::string& out, FrameKind kind, std::string_view payload) {
    const std::size_t begin = begin_frame(out, kind);
    out += payload;
    end_frame(out, begin);
}

Frame read_frame(Bytes bytes) noexcept {
    Cursor cursor(bytes);
    const std::uint32_t length = cursor.u32();
    const std::uint8_t kind = cursor.u8();
    Frame frame{
        .fault = FrameFault::none, .kind = static_cast<FrameKind>(kind), .payload = {}, .size = frame_overhead + length};
    if (!cursor.ok()) {
        frame.fault = FrameFault::incomplete;
        frame.size = frame_overhead;
        return frame;
    }
    if (length > limits::record_frame)
        frame.fault = FrameFault::bad_length;
    else if (!is_kind(kind))
        frame.fault = FrameFault::bad_kind;
    if (frame.fault != FrameFault::none) return frame;
    frame.payload = cursor.bytes(length);
    const std::uint32_t crc = cursor.u32();
    if (!cursor.ok())
        frame.fault = FrameFault::incomplete;
    else if (crc != crc32c(bytes.first(frame_head_size + length)))
        frame.fault = FrameFault::bad_checksum;
    return frame;
}

std::string_view name_of(FrameFault fault) noexcept {
    switch (fault) {
        case FrameFault::none:
            return "none";
        case FrameFault::incomplete:
            return "the file ends inside a frame";
        case FrameFault::bad_length:
            return "a frame's length is not possible";
        case FrameFault::bad_kind:
            return "a frame's kind is not known";
        case FrameFault::bad_checksum:
            return "a frame's checksum does not fit its bytes";
    }
    return "";
}

}  // namespace assent::record

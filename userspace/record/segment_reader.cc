#include "record/segment_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace assent::record {
namespace {

constexpr std::size_t window_size = 1024UL * 1024;

}  // namespace

Result<SegmentReader> SegmentReader::open(const std::filesystem::path& file) {
    Fd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!descriptor.is_open()) {
        if (errno == ENOENT) return fail(Errc::not_found, fmt::format("{} is not there", file.string()));
        return fail_errno(fmt::format("cannot read {}", file.string()), errno);
    }
    SegmentReader reader(std::move(descriptor));
    const auto magic = reader.view(segment_magic.size());
    if (!magic) return std::unexpected(magic.error());
    if (as_text(*magic) != segment_magic)
        return fail(Errc::malformed, fmt::format("{} does not begin as a segment does", file.string()));
    reader.at_ = segment_magic.size();
    return reader;
}

Result<Bytes> SegmentReader::view(std::size_t size) {
    const bool is_inside = at_ >= window_begin_ && at_ + size <= window_begin_ + window_.size();
    if (!is_inside) {
        window_.resize(std::max(window_size, size));
        window_begin_ = at_;
        std::size_t filled = 0;
        while (filled < window_.size()) {
            const ssize_t got =
                ::pread(file_.get(), window_.data() + filled, window_.size() - filled, static_cast<off_t>(at_ + filled));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return fail_errno("cannot read a segment", errno);
            if (got == 0) break;
            filled += static_cast<std::size_t>(got);
        }
        window_.resize(filled);
    }
    const auto rest = as_bytes(window_).subspan(static_cast<std::size_t>(at_ - window_begin_));
    return rest.first(std::min(size, rest.size()));
}

Result<SegmentReader::Item> SegmentReader::next() {
    Item item;
    item.offset = at_;
    auto bytes = view(frame_overhead);
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->empty()) {
        item.is_end = true;
        return item;
    }
    item.frame = read_frame(*bytes);
    if (bytes->size() < frame_overhead || item.frame.fault == FrameFault::bad_length ||
        item.frame.fault == FrameFault::bad_kind)
        return item;
    const bool is_body = item.frame.kind == FrameKind::body || item.frame.kind == FrameKind::erased;
    if (is_body && skips_bodies_) {
        item.frame.fault = FrameFault::none;
        item.frame.payload = {};
    } else {
        bytes = view(item.frame.size);
        if (!bytes) return std::unexpected(bytes.error());
        item.frame = read_frame(*bytes);
    }
    if (item.frame.fault == FrameFault::none) at_ += item.frame.size;
    return item;
}

}  // namespace assent::record

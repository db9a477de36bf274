// Reads the frames of one segment in order, by a window: memory does not grow with the segment. Trusts nothing it reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "record/frame.h"

namespace assent::record {

class SegmentReader {
public:
    // Errc::not_found when there is no such file; Errc::malformed when it does not begin as a segment does.
    [[nodiscard]] static Result<SegmentReader> open(const std::filesystem::path& file);

    struct Item {
        Frame frame;  // its payload is valid until the next call; empty for a body that was skipped
        std::uint64_t offset = 0;
        bool is_end = false;  // nothing more; `frame` is empty
    };
    // After an item with a fault the same item comes again: what follows cannot be found.
    [[nodiscard]] Result<Item> next();
    // Bodies are passed over without being read (nor checked).
    void skip_bodies(bool skips) noexcept { skips_bodies_ = skips; }
    [[nodiscard]] std::uint64_t offset() const noexcept { return at_; }
    // Goes on at this offset, of a frame that was seen before.
    void seek(std::uint64_t offset) noexcept { at_ = offset; }

private:
    explicit SegmentReader(Fd file) : file_(std::move(file)) {}
    // `size` bytes from at_, fewer at the end of the file.
    [[nodiscard]] Result<Bytes> view(std::size_t size);

    Fd file_;
    std::uint64_t at_ = 0;
    std::string window_;
    std::uint64_t window_begin_ = 0;
    bool skips_bodies_ = false;
};

}  // namespace assent::record

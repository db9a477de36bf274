#include "io/output_queue.h"

#include <algorithm>
#include <cassert>

#include "base/limits.h"

namespace assent::io {
namespace {

constexpr std::size_t free_chunks_kept = 64;

}  // namespace

ChunkPool::Chunk ChunkPool::take() {
    if (free_.empty()) return std::make_unique_for_overwrite<std::byte[]>(limits::io_buffer_size);
    Chunk chunk = std::move(free_.back());
    free_.pop_back();
    return chunk;
}

void ChunkPool::give(Chunk chunk) {
    if (free_.size() < free_chunks_kept) free_.push_back(std::move(chunk));
}

void OutputQueue::push(Bytes bytes) {
    size_ += bytes.size();
    while (!bytes.empty()) {
        if (first_ == pieces_.size() || pieces_.back().end == limits::io_buffer_size)
            pieces_.push_back({pool_.take(), 0, 0});
        Piece& last = pieces_.back();
        const std::size_t part = std::min(bytes.size(), limits::io_buffer_size - last.end);
        std::copy_n(bytes.begin(), part, last.chunk.get() + last.end);
        last.end += part;
        bytes = bytes.subspan(part);
    }
}

std::size_t OutputQueue::front(std::span<iovec> parts) const {
    const std::size_t count = std::min(parts.size(), pieces_.size() - first_);
    for (std::size_t i = 0; i < count; ++i) {
        const Piece& piece = pieces_[first_ + i];
        parts[i] = {piece.chunk.get() + piece.begin, piece.end - piece.begin};
    }
    return count;
}

void OutputQueue::consume(std::size_t size) {
    assert(size <= size_);
    size_ -= size;
    while (size > 0) {
        Piece& piece = pieces_[first_];
        const std::size_t part = std::min(size, piece.end - piece.begin);
        piece.begin += part;
        size -= part;
        if (piece.begin == piece.end) {
            pool_.give(std::move(piece.chunk));
            ++first_;
        }
    }
    if (first_ == pieces_.size()) {
        pieces_.clear();
        first_ = 0;
        if (pieces_.capacity() > 4) pieces_.shrink_to_fit();
    } else if (first_ >= 64) {
        pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
}

void OutputQueue::clear() {
    for (std::size_t i = first_; i < pieces_.size(); ++i) pool_.give(std::move(pieces_[i].chunk));
    pieces_.clear();
    first_ = 0;
    size_ = 0;
}

}  // namespace assent::io

// Bytes that wait to be sent, in chunks from a pool that the streams of one thread share. Empty queues hold no chunk.
#pragma once

#include <sys/uio.h>

#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace assent::io {

// Keeps some free chunks of limits::io_buffer_size, the last used first. Thread: one.
class ChunkPool {
public:
    using Chunk = std::unique_ptr<std::byte[]>;
    [[nodiscard]] Chunk take();
    void give(Chunk chunk);

private:
    std::vector<Chunk> free_;
};

class OutputQueue {
public:
    explicit OutputQueue(ChunkPool& pool) : pool_(pool) {}
    ~OutputQueue() { clear(); }
    OutputQueue(const OutputQueue&) = delete;
    OutputQueue& operator=(const OutputQueue&) = delete;

    // Bytes given to a send that is under way stay where they are: more may be pushed meanwhile.
    void push(Bytes bytes);
    // Fills `parts` with what is at the front; gives how many it filled.
    [[nodiscard]] std::size_t front(std::span<iovec> parts) const;
    void consume(std::size_t size);
    void clear();
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool is_empty() const noexcept { return size_ == 0; }

private:
    struct Piece {
        ChunkPool::Chunk chunk;
        std::size_t begin = 0;
        std::size_t end = 0;
    };

    ChunkPool& pool_;
    std::vector<Piece> pieces_;
    std::size_t first_ = 0;  // pieces before it are spent
    std::size_t size_ = 0;
};

}  // namespace assent::io

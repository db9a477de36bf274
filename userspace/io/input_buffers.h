// Buffers that the kernel picks from when bytes arrive, so that an idle stream holds none. A ring of them a thread; on
// kernels without buffer rings one scratch buffer, for reads that are made when the socket is known to be readable.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "io/ring.h"

namespace assent::io {

class InputBuffers {
public:
    InputBuffers() = default;
    InputBuffers(const InputBuffers&) = delete;
    InputBuffers& operator=(const InputBuffers&) = delete;
    ~InputBuffers();

    [[nodiscard]] Result<> open(Ring& ring, bool may_provide);
    [[nodiscard]] bool is_provided() const noexcept { return ring_memory_ != nullptr; }
    [[nodiscard]] static std::uint16_t group() noexcept { return 1; }
    [[nodiscard]] Bytes view(std::uint32_t completion_flags, std::size_t size) const;
    // Gives the buffer of this completion back; views of it end.
    void recycle(std::uint32_t completion_flags);
    [[nodiscard]] MutableBytes scratch() noexcept { return scratch_; }

private:
    void provide(std::uint16_t id, int offset);

    io_uring_buf_ring* ring_memory_ = nullptr;
    std::byte* memory_ = nullptr;
    ByteVector scratch_;
};

}  // namespace assent::io

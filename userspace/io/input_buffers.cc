#include "io/input_buffers.h"

#include <sys/mman.h>

#include <cassert>
#include <cerrno>

#include "base/limits.h"

namespace assent::io {
namespace {

constexpr std::uint16_t buffer_count = 64;
constexpr std::size_t ring_size = buffer_count * sizeof(io_uring_buf);
constexpr std::size_t memory_size = buffer_count * limits::io_buffer_size;

void* map(std::size_t size) {
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

InputBuffers::~InputBuffers() {
    if (ring_memory_ != nullptr) ::munmap(ring_memory_, ring_size);
    if (memory_ != nullptr) ::munmap(memory_, memory_size);
}

Result<> InputBuffers::open(Ring& ring, bool may_provide) {
    if (may_provide) {
        auto* ring_memory = static_cast<io_uring_buf_ring*>(map(ring_size));
        memory_ = static_cast<std::byte*>(map(memory_size));
        if (ring_memory == nullptr || memory_ == nullptr) return fail_errno("mmap of the input buffers", errno);
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(ring_memory);
        registration.ring_entries = buffer_count;
        registration.bgid = group();
        if (io_uring_register_buf_ring(ring.get(), &registration, 0) == 0) {
            ring_memory_ = ring_memory;
            io_uring_buf_ring_init(ring_memory_);
            for (std::uint16_t id = 0; id < buffer_count; ++id) provide(id, id);
            io_uring_buf_ring_advance(ring_memory_, buffer_count);
            return {};
        }
        ::munmap(ring_memory, ring_size);
    }
    scratch_.resize(limits::io_buffer_size);
    return {};
}

void InputBuffers::provide(std::uint16_t id, int offset) {
    io_uring_buf_ring_add(ring_memory_, memory_ + id * limits::io_buffer_size, limits::io_buffer_size, id,
                          io_uring_buf_ring_mask(buffer_count), offset);
}

Bytes InputBuffers::view(std::uint32_t completion_flags, std::size_t size) const {
    assert((completion_flags & IORING_CQE_F_BUFFER) != 0 && size <= limits::io_buffer_size);
    const std::size_t id = completion_flags >> IORING_CQE_BUFFER_SHIFT;
    return {memory_ + id * limits::io_buffer_size, size};
}

void InputBuffers::recycle(std::uint32_t completion_flags) {
    if ((completion_flags & IORING_CQE_F_BUFFER) == 0) return;
    provide(static_cast<std::uint16_t>(completion_flags >> IORING_CQE_BUFFER_SHIFT), 0);
    io_uring_buf_ring_advance(ring_memory_, 1);
}

}  // namespace assent::io

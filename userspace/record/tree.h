// The Merkle tree over the leaves (RFC 6962 section 2.1). Only the frontier is kept: the roots of the perfect subtrees that
// the leaves so far make, largest first; 64 of them at most.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/digest.h"

namespace assent::record {

// SHA-256(0x00 ‖ leaf).
[[nodiscard]] Digest leaf_hash(Bytes leaf);
// SHA-256 of a body, by a context that is made once a thread: base's costs a fetch each time, which counts here.
[[nodiscard]] Digest body_hash(Bytes body);

class Tree {
public:
    Tree() = default;
    // A tree of `size` leaves goes on from its frontier; nothing when there cannot be so many hashes.
    [[nodiscard]] static std::optional<Tree> resume(std::uint64_t size, std::vector<Digest> frontier);

    void add(const Digest& hash);
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] Digest root() const;  // of no leaves: SHA-256 of nothing
    [[nodiscard]] const std::vector<Digest>& frontier() const noexcept { return frontier_; }

private:
    std::uint64_t size_ = 0;
    std::vector<Digest> frontier_;  // invariant: one for each set bit of size_
};

}  // namespace assent::record

// A checkpoint: what the tree was at one size, as a signed note (C2SP tlog-checkpoint and signed-note), so that any witness
// can keep it and any verifier check it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "record/key.h"

namespace assent::record {

struct Checkpoint {
    std::string origin;
    std::uint64_t size = 0;
    Digest root{};
};

// May this be an origin and the name of its key: not empty, no white space, no plus sign, printable ASCII, 200 bytes at
// most.
[[nodiscard]] bool is_origin(std::string_view text) noexcept;

// The note with its signature line; the key's name is the origin.
[[nodiscard]] std::string sign_checkpoint(const Checkpoint& checkpoint, const Key& key);

// Errc::malformed: not a checkpoint. Errc::denied: no signature of this key, or a wrong one.
[[nodiscard]] Result<Checkpoint> open_checkpoint(std::string_view note, const Key& key);
// The same without looking at signatures.
[[nodiscard]] Result<Checkpoint> parse_checkpoint(std::string_view note);

}  // namespace assent::record

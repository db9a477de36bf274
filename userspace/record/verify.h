// Checks a log with nothing but its folder and the public key: every frame, every body's digest, every leaf's place in the
// tree, every checkpoint's signature and root. Names the first record that is not what was written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace assent::record {

enum class Wrong : std::uint8_t {
    edited = 0,  // its bytes, a body of it, or something between it and `last_seq` are not what was written
    missing,     // it was there and is not
    reordered,   // it stands elsewhere
    truncated,   // it and all that followed were cut off
};

[[nodiscard]] std::string_view name_of(Wrong wrong) noexcept;

// The first thing that is wrong. Text from the log is as the log has it: show it through shown_text.
struct Finding {
    Wrong wrong = Wrong::edited;
    std::uint64_t seq = 0;
    std::uint64_t last_seq = 0;  // more than seq: it is one of these records, and nothing tells which
    std::string time;            // of the record, or of the one before it when it is not there; may be empty
    std::string session;
    std::string segment;  // file name
    std::uint64_t offset = 0;
    std::string detail;  // what does not fit what
};

struct VerifyReport {
    std::optional<Finding> finding;  // absent: intact
    std::string origin;
    std::uint64_t records = 0;
    std::uint64_t segments = 0;
    std::uint64_t pruned_records = 0;  // only their hashes are there
    std::uint64_t checkpoints = 0;
    std::uint64_t covered_records = 0;  // by the newest checkpoint that was checked
    std::uint64_t bodies = 0;
    std::uint64_t erased_bodies = 0;
    std::uint64_t size_bytes = 0;
    std::string root;                         // base64, of all records
    std::vector<std::string> notes;           // what is odd, and no sign of tampering
    std::vector<std::string> cannot_exclude;  // what this check cannot show
};

struct VerifyOptions {
    std::filesystem::path folder;
    std::filesystem::path public_key;                 // PEM
    std::optional<std::filesystem::path> checkpoint;  // a signed note that was kept elsewhere
    std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)> progress;  // about once a megabyte
};

// Errors only when the check cannot be made: no folder, no key, not a checkpoint.
[[nodiscard]] Result<VerifyReport> verify(const VerifyOptions& options);

}  // namespace assent::record

// Opening a log that may have been left in the middle of a write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "record/checkpoint.h"
#include "record/segment.h"
#include "record/tree.h"

namespace assent::record {

struct Recovered {
    std::vector<SegmentName> segments;  // those with data; the last one goes on
    Fd active;                          // not open: there is no segment yet
    std::uint64_t first = 0;            // of the active segment
    std::uint64_t size_bytes = 0;       // of the active segment, after what was cut
    Tree tree;
    std::string hashes;                 // of the active segment's leaves, 32 bytes each
    std::string origin;                 // as the log has it; empty when there is no segment yet
    std::uint64_t last_checkpoint = 0;  // the tree size of the newest one
    std::vector<std::string> degraded;  // members of the records that shall tell what was found
};

// Reads the last segment whole, checks it against the newest checkpoint, and cuts what a crash left unfinished behind its
// last record; the bytes cut are kept in a file NAME.torn-OFFSET. Errc::malformed when records that a checkpoint covers are
// damaged or missing: that is no crash, and the evidence is left as it is.
[[nodiscard]] Result<Recovered> recover(const std::filesystem::path& folder, const Key& key);

}  // namespace assent::record

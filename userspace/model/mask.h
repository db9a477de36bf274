// How a field of a response is hidden before it leaves the proxy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace assent::model {

// In order of strength: where masks overlap the strongest wins (POLICY.md: null > redact > hash > partial).
enum class MaskKind : std::uint8_t { none = 0, partial, hash, redact, null };

struct MaskMethod {
    MaskKind kind = MaskKind::none;
    std::uint32_t keep_first = 0;  // partial only, in characters
    std::uint32_t keep_last = 0;

    bool operator==(const MaskMethod&) const = default;
};

// What stands for a redacted text.
inline constexpr const char* redacted_text = "[redacted]";

// One output column of one statement.
struct ColumnMask {
    MaskMethod method;               // none: passed as it is
    std::vector<std::string> masks;  // names of the masks, for the record
    bool operator==(const ColumnMask&) const = default;
};

// The masks of one statement's result rows. Columns are counted as the server sends them. A result whose column count
// differs from what was planned is masked whole with `otherwise` (never passed).
struct ResultMasks {
    std::vector<ColumnMask> columns;
    bool covers_all_columns = false;  // true: every column takes `otherwise`; `columns` is empty
    ColumnMask otherwise;
    bool strips_error_detail = false;  // the statement reaches a masked relation: errors and notices lose their detail

    [[nodiscard]] bool is_plain() const {
        if (covers_all_columns || strips_error_detail) return false;
        for (const auto& column : columns) {
            if (column.method.kind != MaskKind::none) return false;
        }
        return true;
    }
    bool operator==(const ResultMasks&) const = default;
};

}  // namespace assent::model

// How COPY … TO STDOUT writes its rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace assent::model {

// `other`: what cannot be masked, since it is not known where a field ends.
enum class CopyFormat : std::uint8_t { none = 0, text, csv, binary, other };

// Of one statement; PostgreSQL's defaults. Of another statement than COPY TO STDOUT the format is `none`.
struct CopyLayout {
    CopyFormat format = CopyFormat::none;
    char delimiter = '\t';
    char quote = '"';  // CSV only, and so is `escape`
    char escape = '"';
    bool has_header = false;                  // the first row names the columns
    bool quotes_all = false;                  // FORCE_QUOTE *
    std::string null = "\\N";                 // what stands for NULL
    std::vector<std::size_t> quoted_columns;  // FORCE_QUOTE, by position
    std::vector<std::uint32_t> types;         // pg_type oids; 0, or a missing one: not known
    bool operator==(const CopyLayout&) const = default;
    // Every option at its default: also read right where the client's encoding hides ASCII bytes in other characters.
    [[nodiscard]] bool is_plain() const {
        return format == CopyFormat::binary || (format == CopyFormat::text && delimiter == '\t');
    }
};

}  // namespace assent::model

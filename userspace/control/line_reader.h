// Lines from a socket, each at most limits::control_message long.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"

namespace assent::control {

class LineReader {
public:
    explicit LineReader(int descriptor) noexcept : descriptor_(descriptor) {}

    // Waits up to `idle` for a line to begin and up to `transfer` for the rest of it; a negative time waits for ever.
    // Errors: not_found (the peer has closed between two lines), malformed (in the middle of one), limit (too long),
    // unavailable (too slow), io.
    [[nodiscard]] Result<std::string> next(std::chrono::milliseconds idle, std::chrono::milliseconds transfer);
    // Whether next() would give a line without reading.
    [[nodiscard]] bool has_line() const noexcept { return buffer_.find('\n', searched_) != std::string::npos; }

private:
    int descriptor_;
    std::string buffer_;
    std::size_t searched_ = 0;  // no line feed before this
};

// Sends all of it, waiting up to `timeout` in all (negative: for ever).
[[nodiscard]] Result<> send_all(int descriptor, std::string_view bytes, std::chrono::milliseconds timeout);

}  // namespace assent::control

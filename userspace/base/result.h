// Result<T>: the value, or what went wrong and what to do next. Expected failures travel this way; exceptions never
// cross a folder's boundary, and bugs are assertions.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace assent {

enum class Errc {
    internal = 0,  // a bug or a state that should not exist: the flow or the request ends
    invalid,       // what the user wrote is wrong
    malformed,     // bytes that break their protocol
    limit,         // larger, deeper or more than base/limits.h allows
    not_found,
    denied,       // the caller may not
    unsupported,  // known, and not built yet or not in this kernel
    unavailable,  // try again later
    io,           // the system said no: errno is in the message
};

struct Error {
    Errc code = Errc::internal;
    std::string message;  // one sentence for a person: what happened, where, and what to do next
};

template <typename T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Errc code, std::string message) {
    return std::unexpected<Error>(Error{code, std::move(message)});
}

// "what: strerror(error_number)", with Errc::io.
[[nodiscard]] std::unexpected<Error> fail_errno(std::string what, int error_number);

}  // namespace assent

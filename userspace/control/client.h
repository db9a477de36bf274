// The CLI's end of the control socket.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/result.h"
#include "control/line_reader.h"

namespace assent::control {

// Sends one request and gives the last line of the answer; earlier lines go to `each` (return false to stop). An error of
// the daemon comes back as it was made. Errc::unavailable when no daemon listens, saying how to start it.
[[nodiscard]] Result<nlohmann::json> ask(const std::filesystem::path& socket, const nlohmann::json& request,
                                         const std::function<bool(const nlohmann::json&)>& each = {});

// A request whose answers come over time. Ends when it is destroyed. Thread: one at a time.
class Stream {
public:
    // Sends the request. Errors as of ask().
    [[nodiscard]] static Result<Stream> open(const std::filesystem::path& socket, const nlohmann::json& request);
    // The next of the earlier lines; nothing when none came within `wait`. An error is the last of it: Errc::not_found when
    // the daemon has finished answering, or what it says is wrong.
    [[nodiscard]] Result<std::optional<nlohmann::json>> next(std::chrono::milliseconds wait);

private:
    explicit Stream(Fd socket) : socket_(std::move(socket)), lines_(socket_.get()) {}
    Fd socket_;
    LineReader lines_;
};

}  // namespace assent::control

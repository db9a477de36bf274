// What `assent detach` leaves for the daemon when it is dead: <state>/detached.jsonl, one line of JSON each,
//   {"when": RFC 3339, "reason": text, "uid": N, "login_uid": N or null, "person": unix user}
// The daemon records each (daemon.detached) when it starts, and empties the file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace assent::kernel {

// Appends a line for the calling process's user, durably.
[[nodiscard]] Result<> note_detach(const std::filesystem::path& state, std::string_view reason);

// The lines that are there, oldest first, each a whole JSON object as written; a broken line comes as {"broken": text}. They
// stay in the file until forget_detach_notes(), which the daemon calls when its records of them are durable.
[[nodiscard]] Result<std::vector<std::string>> read_detach_notes(const std::filesystem::path& state);
[[nodiscard]] Result<> forget_detach_notes(const std::filesystem::path& state);

}  // namespace assent::kernel

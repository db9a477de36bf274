// One session's records in order, with their bodies, as a person or a program wants to read them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace assent::record {

// Gives each record of the session: the leaf's members as they are, and "texts": {name: text} for its bodies; a body
// `result` is "result": {columns, rows, is_cut} instead. Erased bodies are named in "erased". False from `each` stops.
// A session that has no end because its daemon ended gives {"type": "cut", "time", "after", "why"}: it was over at `time`,
// and its daemon still ran at `after`. `session` is whole (find_session). With `more` a session that is open is followed: it
// is called when the log has nothing new, should wait a moment, and its false stops.
[[nodiscard]] Result<> replay_session(const std::filesystem::path& folder, std::string_view session,
                                      const std::function<bool(const nlohmann::json&)>& each,
                                      const std::function<bool()>& more = {});

}  // namespace assent::record

// What somebody asks of the log, from the members of a request: for the daemon, and for those who read a folder without it.
#pragma once

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/time.h"
#include "record/search.h"
#include "record/session_list.h"

namespace assent::record {

// {since?, until?, agent?, target?, verdict?, limit?}. Errc::invalid: a member has another type, or makes no sense.
[[nodiscard]] Result<SessionFilter> session_filter(const nlohmann::json& request, WallTime now);
// {text, since?, until?, session?, agent?, target?, verdict?, limit?}
[[nodiscard]] Result<SearchFilter> search_filter(const nlohmann::json& request, WallTime now);

// A member of the request; empty when it is absent.
[[nodiscard]] Result<std::string> text_member(const nlohmann::json& request, const char* key);

}  // namespace assent::record

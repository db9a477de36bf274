// Asking the daemon, and reading its answers without trusting their shape.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/verb.h"

namespace assent::cli {

// With the login of the person, if they have one. The answer; nothing after an error, which has been printed and has set the
// exit code.
[[nodiscard]] std::optional<nlohmann::json> ask_daemon(Context& context, const nlohmann::json& request,
                                                       const std::function<bool(const nlohmann::json&)>& each = {});

// Members of an object; empty, zero or false when they are missing or of another type.
[[nodiscard]] std::string text_of(const nlohmann::json& object, std::string_view key);
[[nodiscard]] long long number_of(const nlohmann::json& object, std::string_view key);
[[nodiscard]] bool flag_of(const nlohmann::json& object, std::string_view key);
[[nodiscard]] std::vector<std::string> texts_of(const nlohmann::json& object, std::string_view key);
// An array or object; null when there is none.
[[nodiscard]] const nlohmann::json& member_of(const nlohmann::json& object, std::string_view key);

[[nodiscard]] std::string joined(const std::vector<std::string>& words, std::string_view between = ", ");

void print_json(const nlohmann::json& value);       // for one document
void print_json_line(const nlohmann::json& value);  // for a stream; flushed

}  // namespace assent::cli

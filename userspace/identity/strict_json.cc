#include "identity/strict_json.h"

#include <set>
#include <string>
#include <vector>

#include "base/json_depth.h"
#include "base/limits.h"

namespace assent::identity {

using nlohmann::json;

Result<json> parse_strictly(std::string_view text) {
    if (json_depth(text) > limits::token_depth) return fail(Errc::limit, "JSON that is nested too deeply");
    std::vector<std::set<std::string>> open;  // the names of each object that is being read
    bool has_duplicate = false;
    const auto look = [&](int, json::parse_event_t event, json& parsed) {
        if (event == json::parse_event_t::object_start) open.emplace_back();
        if (event == json::parse_event_t::object_end && !open.empty()) open.pop_back();
        if (event == json::parse_event_t::key && !open.empty())
            has_duplicate = !open.back().insert(parsed.get<std::string>()).second || has_duplicate;
        return true;
    };
    try {
        auto value = json::parse(text, look, false);
        if (value.is_discarded()) return fail(Errc::malformed, "not JSON");
        if (has_duplicate) return fail(Errc::malformed, "JSON with a member that stands twice");
        return value;
    } catch (const json::exception&) {
        return fail(Errc::malformed, "not JSON");
    }
}

std::string text_or_empty(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace assent::identity

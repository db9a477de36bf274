#include "control/protocol.h"

#include <algorithm>
#include <array>

#include "base/json_depth.h"
#include "base/limits.h"

namespace assent::control {
namespace {

using nlohmann::json;

struct Name {
    Errc code;
    std::string_view name;
};

constexpr std::array names = {Name{Errc::internal, "internal"},
                              Name{Errc::invalid, "invalid"},
                              Name{Errc::malformed, "malformed"},
                              Name{Errc::limit, "limit"},
                              Name{Errc::not_found, "not_found"},
                              Name{Errc::denied, "denied"},
                              Name{Errc::unsupported, "unsupported"},
                              Name{Errc::unavailable, "unavailable"},
                              Name{Errc::io, "io"}};

}  // namespace

std::string line_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

Result<json> parse_line(std::string_view line) {
    if (json_depth(line) > limits::control_depth) return fail(Errc::limit, "the JSON is nested too deeply");
    try {
        return json::parse(line);
    } catch (const json::exception& error) {
        return fail(Errc::malformed, std::string("not a line of JSON: ") + error.what());
    }
}

json next_message(const json& value) { return {{"next", value}}; }

json last_message(const Result<json>& result) {
    if (result) return {{"ok", true}, {"answer", *result}};
    return {{"ok", false}, {"error", {{"code", name_of(result.error().code)}, {"message", result.error().message}}}};
}

Result<json> result_of(json message) {
    try {
        if (message.at("ok").get<bool>()) return std::move(message.at("answer"));
        const json& error = message.at("error");
        return fail(errc_named(error.at("code").get<std::string>()), error.at("message").get<std::string>());
    } catch (const json::exception&) {
        return fail(Errc::malformed, "assentd's answer cannot be understood; are assent and assentd of one version?");
    }
}

std::string_view name_of(Errc code) noexcept {
    const auto* const found = std::ranges::find(names, code, &Name::code);
    return found == names.end() ? names.front().name : found->name;
}

Errc errc_named(std::string_view name) noexcept {
    const auto* const found = std::ranges::find(names, name, &Name::name);
    return found == names.end() ? Errc::internal : found->code;
}

}  // namespace assent::control

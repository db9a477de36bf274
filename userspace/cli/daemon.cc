#include "cli/daemon.h"

#include <cstdio>

#include "cli/stored_login.h"
#include "control/client.h"

namespace assent::cli {

using nlohmann::json;

std::optional<json> ask_daemon(Context& context, const json& request, const std::function<bool(const json&)>& each) {
    const auto socket = context.control_socket();
    if (!socket) return std::nullopt;
    const auto whole = with_login(request, *socket);
    if (!whole) {
        context.print_error(whole.error());
        return std::nullopt;
    }
    auto answer = control::ask(*socket, *whole, each);
    if (answer) return std::move(*answer);
    context.print_error(answer.error());
    return std::nullopt;
}

const json& member_of(const json& object, std::string_view key) {
    static const json nothing;
    if (!object.is_object()) return nothing;
    const auto found = object.find(key);
    return found == object.end() ? nothing : *found;
}

std::string text_of(const json& object, std::string_view key) {
    const json& member = member_of(object, key);
    return member.is_string() ? member.get<std::string>() : std::string();
}

long long number_of(const json& object, std::string_view key) {
    const json& member = member_of(object, key);
    return member.is_number() ? member.get<long long>() : 0;
}

bool flag_of(const json& object, std::string_view key) {
    const json& member = member_of(object, key);
    return member.is_boolean() && member.get<bool>();
}

std::vector<std::string> texts_of(const json& object, std::string_view key) {
    std::vector<std::string> texts;
    for (const json& entry : member_of(object, key)) {
        if (entry.is_string()) texts.push_back(entry.get<std::string>());
    }
    return texts;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string out;
    for (const auto& word : words) {
        if (&word != &words.front()) out += between;
        out += word;
    }
    return out;
}

void print_json(const json& value) { std::printf("%s\n", value.dump(2, ' ', true, json::error_handler_t::replace).c_str()); }

void print_json_line(const json& value) {
    std::printf("%s\n", value.dump(-1, ' ', true, json::error_handler_t::replace).c_str());
    std::fflush(stdout);
}

}  // namespace assent::cli

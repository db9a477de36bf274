#include "wire/postgres/startup_options.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/cursor.h"
#include "wire/postgres/protocol.h"

namespace assent::wire::postgres {
namespace {

constexpr std::string_view extension_prefix = "_pq_.";

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    std::size_t i = 0;
    while (true) {
        while (i < text.size() && is_space(text[i])) ++i;
        if (i == text.size()) return words;
        std::string word;
        for (; i < text.size() && !is_space(text[i]); ++i) {
            if (text[i] == '\\' && ++i == text.size()) break;
            word.push_back(text[i]);
        }
        words.push_back(std::move(word));
    }
}

// "name=value"; a dash in the name is an underscore, as the server reads it.
std::optional<std::pair<std::string, std::string>> assignment(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos) return std::nullopt;
    std::string name(text.substr(0, equals));
    std::replace(name.begin(), name.end(), '-', '_');
    return std::pair(std::move(name), std::string(text.substr(equals + 1)));
}

bool is_new(std::string_view name, const StartupRequest& request) {
    return std::none_of(request.parameters.begin(), request.parameters.end(),
                        [&](const auto& parameter) { return parameter.first == name; });
}

void sort_out(StartupRequest& request) {
    for (const auto& [name, value] : request.parameters) {
        if (name == "user") {
            request.user = value;
        } else if (name == "database") {
            request.database = value;
        } else if (name == "replication") {
            request.replication = value;
        } else if (name == "options") {
            for (auto& setting : settings_of_options(value)) request.settings.push_back(std::move(setting));
        } else if (std::string_view(name).starts_with(extension_prefix)) {
            request.extensions.push_back(name);
        } else {
            request.settings.emplace_back(name, value);
        }
    }
    if (request.database.empty()) request.database = request.user;
}

}  // namespace

bool StartupRequest::is_replication() const {
    // What the server takes for false; all else opens a replication session or is an error there.
    static constexpr std::array<std::string_view, 5> no = {"", "false", "off", "no", "0"};
    return std::find(no.begin(), no.end(), replication) == no.end();
}

Settings settings_of_options(std::string_view options) {
    Settings settings;
    const auto words = words_of(options);
    const Settings not_understood = {{"options", std::string(options)}};
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string_view word = words[i];
        if (word.starts_with("--")) {
            word.remove_prefix(2);
        } else if (word == "-c") {
            if (++i == words.size()) return not_understood;
            word = words[i];
        } else if (word.starts_with("-c")) {
            word.remove_prefix(2);
        } else {
            return not_understood;
        }
        auto setting = assignment(word);
        if (!setting) return not_understood;
        settings.push_back(std::move(*setting));
    }
    return settings;
}

Result<StartupRequest> read_startup(Bytes message) {
    StartupRequest request;
    Cursor cursor(message);
    cursor.u32();
    request.version = cursor.u32();
    while (cursor.ok()) {
        const std::string_view next = cursor.c_string();
        if (!cursor.ok() || next.empty()) break;
        if (!is_new(next, request)) {
            return fail(Errc::malformed, "the start-up message says \"" + std::string(next) + "\" twice");
        }
        request.parameters.emplace_back(next, cursor.c_string());
    }
    if (!cursor.finished()) return fail(Errc::malformed, "the start-up message is cut short or has bytes behind its end");
    sort_out(request);
    if (request.user.empty()) return fail(Errc::malformed, "the start-up message names no user");
    if (request.extensions.size() > protocol_names)
        return fail(Errc::malformed, "the start-up message has too many options");
    return request;
}

}  // namespace assent::wire::postgres

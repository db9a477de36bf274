#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/json_writer.h"
#include "base/shown_text.h"
#include "cli/verb.h"

namespace assent::cli {
namespace {

constexpr const char* default_config = "/etc/assent/assent.yaml";
constexpr const char* default_socket = "/run/assent/control.sock";

const char* from_environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : nullptr;
}

struct ConfigFile {
    std::filesystem::path path;
    bool is_asked_for = false;  // by --config or ASSENT_CONFIG: then it has to be right
};

ConfigFile config_file_of(const Context& context) {
    if (!context.config_file.empty()) return {context.config_file, true};
    if (const char* file = from_environment("ASSENT_CONFIG"); file != nullptr) return {file, true};
    return {default_config, false};
}

std::string diagnostics_text(const std::vector<policy::Diagnostic>& diagnostics) {
    std::string text;
    for (const auto& diagnostic : diagnostics) {
        if (!text.empty()) text += '\n';
        text += diagnostic.to_text();
    }
    return text;
}

ExitCode exit_code_of(Errc code) {
    switch (code) {
        case Errc::invalid:
            return exit_usage;
        case Errc::unavailable:
            return exit_unavailable;
        case Errc::denied:
            return exit_refused;
        default:
            return exit_failed;
    }
}

}  // namespace

std::optional<policy::Settings> Context::settings() {
    auto loaded = policy::Settings::load(config_file_of(*this).path);
    if (loaded) return std::move(*loaded);
    print_mistakes(loaded.error());
    return std::nullopt;
}

policy::Settings Context::settings_or_defaults() {
    const ConfigFile config = config_file_of(*this);
    std::error_code ignored;
    if (!config.is_asked_for && !std::filesystem::exists(config.path, ignored)) return {};
    return settings().value_or(policy::Settings{});
}

std::optional<std::filesystem::path> Context::control_socket() {
    const ConfigFile config = config_file_of(*this);
    if (config_file.empty()) {
        if (const char* socket = from_environment("ASSENT_SOCKET"); socket != nullptr) return socket;
    }
    std::error_code ignored;
    if (config.is_asked_for || std::filesystem::exists(config.path, ignored)) {
        auto loaded = policy::Settings::load(config.path);
        if (loaded) return loaded->run / "control.sock";
        if (config.is_asked_for) {
            print_mistakes(loaded.error());
            return std::nullopt;
        }
    }
    return default_socket;
}

void Context::print_mistakes(const std::vector<policy::Diagnostic>& mistakes) {
    exit_code = exit_usage;
    if (!std::exchange(has_printed_mistakes_, true)) print_error(Error{Errc::invalid, diagnostics_text(mistakes)});
}

void Context::print_error(const Error& error) {
    exit_code = exit_code_of(error.code);
    std::string text;
    if (is_json) {
        std::string members;
        JsonWriter(members).member("error", error.message);
        text = "{" + members + "}\n";
    } else {
        text = "assent: " + shown_text(error.message, Lines::many) + "\n";
    }
    std::fputs(text.c_str(), stderr);
}

}  // namespace assent::cli

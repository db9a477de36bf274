#include "kernel/detach_note.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/time.h"
#include "kernel/runs.h"

namespace assent::kernel {
namespace {

constexpr const char* file_name = "detached.jsonl";

std::optional<uid_t> own_login_uid() {
    std::ifstream in("/proc/self/loginuid");
    uid_t uid = 0;
    if (in >> uid && uid != static_cast<uid_t>(-1)) return uid;
    return std::nullopt;
}

}  // namespace

Result<> note_detach(const std::filesystem::path& state, std::string_view reason) {
    const auto login = own_login_uid();
    nlohmann::json note{{"when", to_rfc3339(system_clock().wall())},
                        {"reason", reason},
                        {"uid", ::getuid()},
                        {"login_uid", nullptr},
                        {"person", user_name(login.value_or(::getuid()))}};
    if (login) note["login_uid"] = *login;
    const auto line = note.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    const auto file = state / file_name;
    const Fd out(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!out.is_open()) return fail_errno(fmt::format("noting the reason in {}", file.string()), errno);
    if (::write(out.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) || ::fsync(out.get()) != 0)
        return fail_errno(fmt::format("noting the reason in {}", file.string()), errno);
    return {};
}

Result<std::vector<std::string>> read_detach_notes(const std::filesystem::path& state) {
    std::vector<std::string> out;
    std::ifstream in(state / file_name);
    for (std::string line; std::getline(in, line);) {
        if (line.empty()) continue;
        const auto note = nlohmann::json::parse(line, nullptr, false);
        const nlohmann::json broken{{"broken", line}};
        out.push_back((note.is_object() ? note : broken).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    }
    return out;
}

Result<> forget_detach_notes(const std::filesystem::path& state) {
    const auto file = state / file_name;
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) return fail_errno(fmt::format("removing {}", file.string()), errno);
    return {};
}

}  // namespace assent::kernel

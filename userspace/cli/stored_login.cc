#include "cli/stored_login.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/fd.h"
#include "base/limits.h"
#include "base/time.h"
#include "cli/daemon.h"
#include "control/client.h"
#include "identity/provider.h"

namespace assent::cli {
namespace {

using nlohmann::json;

constexpr auto refreshed_before = std::chrono::seconds(30);
constexpr std::size_t file_size = 4 * limits::token_size;

// What a user of this host does, or what a login is made with.
constexpr std::array<std::string_view, 9> verbs_of_the_host = {"run",    "login",   "login.refresh", "token.bind", "detach",
                                                               "govern", "upgrade", "policy.reload", "status"};

Result<std::string> read_all(const Fd& file, const std::string& name) {
    std::string text(file_size + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno("reading " + name, errno);
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size > file_size) return fail(Errc::limit, name + " is larger than a login; log in again with `assent login`");
    text.resize(size);
    return text;
}

Result<> write_all(const Fd& file, std::string_view text, const std::string& name) {
    while (!text.empty()) {
        const ssize_t size = ::write(file.get(), text.data(), text.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return fail_errno("writing " + name, errno);
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    if (::fsync(file.get()) != 0) return fail_errno("fsync of " + name, errno);
    return {};
}

Result<StoredLogin> refreshed(const StoredLogin& login, const std::filesystem::path& socket) {
    const auto ended = [&](const std::string& why) {
        return fail(Errc::denied, "your login at " + login.issuer + " has ended (" + why +
                                      "): log in with `assent login`, or go on as this host's user with `assent logout`");
    };
    if (login.refresh_token.empty()) return ended("its ID token has expired");
    const auto answer =
        control::ask(socket, {{"verb", "login.refresh"}, {"issuer", login.issuer}, {"refresh_token", login.refresh_token}});
    if (!answer && answer.error().code == Errc::unavailable) return std::unexpected(answer.error());
    if (!answer) return ended(answer.error().message);
    StoredLogin fresh{text_of(*answer, "issuer"), text_of(*answer, "id_token"), text_of(*answer, "refresh_token")};
    if (auto saved = save_login(fresh); !saved) return std::unexpected(std::move(saved.error()));
    return fresh;
}

}  // namespace

Result<std::filesystem::path> login_file() {
    const char* state = std::getenv("XDG_STATE_HOME");
    if (state != nullptr && *state == '/') return std::filesystem::path(state) / "assent/login.json";
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home != '/')
        return fail(Errc::not_found, "neither XDG_STATE_HOME nor HOME is set: nowhere to keep a login");
    return std::filesystem::path(home) / ".local/state/assent/login.json";
}

Result<std::optional<StoredLogin>> read_login() {
    const auto path = login_file();
    if (!path) return std::optional<StoredLogin>();  // then nobody has logged in there either
    const std::string name = path->string();
    const Fd file(::open(path->c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file.is_open() && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) return std::optional<StoredLogin>();
    if (!file.is_open()) return fail_errno("opening " + name, errno);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return fail_errno("looking at " + name, errno);
    const bool is_own = S_ISREG(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & 077U) == 0;
    if (!is_own) return fail(Errc::denied, name + " is not yours alone: remove it, and log in again with `assent login`");
    const auto text = read_all(file, name);
    if (!text) return std::unexpected(text.error());
    const auto saved = json::parse(*text, nullptr, false);
    StoredLogin out{text_of(saved, "issuer"), text_of(saved, "id_token"), text_of(saved, "refresh_token")};
    if (out.issuer.empty() || out.id_token.empty())
        return fail(Errc::invalid, name + " is broken: log in again with `assent login`");
    return out;
}

Result<> save_login(const StoredLogin& login) {
    const auto path = login_file();
    if (!path) return std::unexpected(path.error());
    std::error_code error;
    std::filesystem::create_directories(path->parent_path(), error);
    if (error) return fail_errno("making " + path->parent_path().string(), error.value());
    if (::chmod(path->parent_path().c_str(), 0700) != 0)
        return fail_errno("chmod of " + path->parent_path().string(), errno);
    const std::string fresh = path->string() + ".new";
    ::unlink(fresh.c_str());
    const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.is_open()) return fail_errno("creating " + fresh, errno);
    const json content{{"issuer", login.issuer}, {"id_token", login.id_token}, {"refresh_token", login.refresh_token}};
    if (auto written = write_all(file, content.dump(), fresh); !written) return written;
    if (::rename(fresh.c_str(), path->c_str()) != 0) return fail_errno("renaming " + fresh, errno);
    return {};
}

Result<bool> remove_login() {
    const auto path = login_file();
    if (!path) return false;
    if (::unlink(path->c_str()) == 0) return true;
    if (errno == ENOENT) return false;
    return fail_errno("removing " + path->string(), errno);
}

Result<json> with_login(json request, const std::filesystem::path& socket) {
    if (std::ranges::find(verbs_of_the_host, text_of(request, "verb")) != verbs_of_the_host.end()) return request;
    auto stored = read_login();
    if (!stored) return std::unexpected(std::move(stored.error()));
    if (!*stored) return request;
    const auto expires = identity::unverified_expiry((*stored)->id_token);
    if (!expires || *expires - system_clock().wall() < refreshed_before) {
        auto fresh = refreshed(**stored, socket);
        if (!fresh) return std::unexpected(std::move(fresh.error()));
        *stored = std::move(*fresh);
    }
    request["token"] = (*stored)->id_token;
    return request;
}

}  // namespace assent::cli

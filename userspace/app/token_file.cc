#include "app/token_file.h"

#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "kernel/in_place_of.h"

namespace assent::app {

std::optional<FileVersion> version_of(const std::filesystem::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return std::nullopt;
    constexpr std::int64_t nanoseconds = 1'000'000'000;
    return FileVersion{status.st_dev, status.st_ino, status.st_ctim.tv_sec * nanoseconds + status.st_ctim.tv_nsec,
                       status.st_size};
}

Result<std::string> read_token_file(const std::filesystem::path& path, const kernel::UnixCaller& reader) {
    const auto file = kernel::open_as(reader, path);
    if (!file) return std::unexpected(file.error());
    const std::string shown = shown_text(path.string());
    std::string text(limits::token_size + 64, '\0');  // room for white space, and to see that it is too large
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t got = ::read(file->get(), text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno("reading " + shown, errno);
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size == text.size()) return fail(Errc::limit, fmt::format("{} is larger than a token may be", shown));
    text.resize(size);
    constexpr const char* space = " \t\r\n";
    const auto first = text.find_first_not_of(space);
    if (first == std::string::npos) return fail(Errc::invalid, fmt::format("{} is empty", shown));
    return text.substr(first, text.find_last_not_of(space) - first + 1);
}

}  // namespace assent::app

#include "secrets/secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/shown_text.h"

namespace assent::secrets {
namespace {

std::string shown(const std::filesystem::path& path) { return shown_text(path.string()); }

// The opened file is asked, not its path: nobody can put another one there in between.
Result<> check_file(const struct stat& status, const std::filesystem::path& path) {
    if (!S_ISREG(status.st_mode)) return fail(Errc::denied, fmt::format("{} is not a regular file", shown(path)));
    if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
        return fail(Errc::denied, fmt::format("{} belongs to user {}: make it root's (chown root {})", shown(path),
                                              status.st_uid, shown(path)));
    }
    constexpr unsigned others = S_IRWXG | S_IRWXO;
    if ((status.st_mode & others) != 0) {
        return fail(Errc::denied, fmt::format("{} can be used by its group or by others (mode {:o}): chmod 600 {}",
                                              shown(path), status.st_mode & 0777U, shown(path)));
    }
    if (status.st_size > static_cast<off_t>(limits::secret_size)) {
        return fail(Errc::limit,
                    fmt::format("{} is larger than {} bytes, which no secret is", shown(path), limits::secret_size));
    }
    return {};
}

}  // namespace

Result<std::string> read_secret(const std::filesystem::path& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file.is_open()) {
        const int error = errno;
        if (error == ENOENT)
            return fail(Errc::not_found,
                        fmt::format("{} does not exist: put the secret there, readable by root only", shown(path)));
        return fail_errno(fmt::format("cannot open {}", shown(path)), error);
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return fail_errno(fmt::format("cannot look at {}", shown(path)), errno);
    if (auto checked = check_file(status, path); !checked) return std::unexpected(std::move(checked.error()));
    std::string secret(limits::secret_size + 1, '\0');
    std::size_t size = 0;
    while (size < secret.size()) {
        const ssize_t got = ::read(file.get(), secret.data() + size, secret.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            const int error = errno;
            OPENSSL_cleanse(secret.data(), secret.size());
            return fail_errno(fmt::format("cannot read {}", shown(path)), error);
        }
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    const bool is_too_large = size > limits::secret_size;
    if (!is_too_large && size > 0 && secret[size - 1] == '\n') {
        --size;
        if (size > 0 && secret[size - 1] == '\r') --size;
    }
    if (is_too_large || size == 0) {
        OPENSSL_cleanse(secret.data(), secret.size());
        if (is_too_large)
            return fail(Errc::limit,
                        fmt::format("{} is larger than {} bytes, which no secret is", shown(path), limits::secret_size));
        return fail(Errc::invalid, fmt::format("{} is empty", shown(path)));
    }
    secret.resize(size);
    return secret;
}

}  // namespace assent::secrets

#include "record/log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include <fmt/format.h>

#include "record/checkpoint.h"
#include "record/recover.h"
#include "record/store.h"
#include "record/writer.h"

namespace assent::record {
namespace {

Result<Fd> lock_folder(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder.parent_path(), error);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
        return fail_errno(fmt::format("cannot make the folder of records {}", folder.string()), errno);
    }
    const auto file = folder / "lock";
    Fd descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!descriptor.is_open()) return fail_errno(fmt::format("cannot open {}", file.string()), errno);
    if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
        return fail(Errc::unavailable, fmt::format("the log in {} is open in another process", folder.string()));
    }
    return descriptor;
}

}  // namespace

Result<std::unique_ptr<Log>> Log::open(const LogOptions& options) {
    if (!is_origin(options.origin)) {
        return fail(
            Errc::invalid,
            fmt::format("'{}' cannot be the log's origin: it needs printable ASCII without spaces or '+'", options.origin));
    }
    auto lock = lock_folder(options.folder);
    if (!lock) return std::unexpected(lock.error());
    auto key = Key::load_or_make(options.key);
    if (!key) return std::unexpected(key.error());
    auto recovered = recover(options.folder, *key);
    if (!recovered) return std::unexpected(recovered.error());
    const auto degraded = std::move(recovered->degraded);
    auto writer =
        std::make_unique<Writer>(options, Store(options, std::move(*key), std::move(*lock), std::move(*recovered)));
    if (auto started = writer->start(degraded); !started) return std::unexpected(started.error());
    return writer;
}

}  // namespace assent::record

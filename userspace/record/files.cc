#include "record/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace assent::record {
namespace {

constexpr off_t page = 4096;
constexpr off_t largest_folio = 2 * 1024 * 1024;

class RealDisk final : public Disk {
public:
    ssize_t write(int descriptor, Bytes bytes, off_t offset) override {
        return ::pwrite(descriptor, bytes.data(), bytes.size(), offset);
    }
    int sync(int descriptor) override { return ::fdatasync(descriptor); }
    // The kernel lets go of whole folios only, which stand at multiples of their size: those that an earlier call left in
    // part are in the range again. The last page is about to be written on.
    void forget_cached(int descriptor, off_t offset, off_t size) noexcept override {
        const off_t begin = offset / largest_folio * largest_folio;
        const off_t end = (offset + size) / page * page;
        if (end > begin) (void)::posix_fadvise(descriptor, begin, end - begin, POSIX_FADV_DONTNEED);
    }
    std::uint64_t free_bytes(int descriptor) override {
        struct statvfs status {};
        if (::fstatvfs(descriptor, &status) != 0) return 0;
        return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
    }
};

}  // namespace

Disk& real_disk() noexcept {
    static RealDisk disk;
    return disk;
}

Result<> write_all(Disk& disk, int descriptor, Bytes bytes, off_t offset, std::string_view what) {
    while (!bytes.empty()) {
        const ssize_t size = disk.write(descriptor, bytes, offset);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return fail_errno(fmt::format("cannot write {}", what), errno);
        if (size == 0) return fail_errno(fmt::format("cannot write {}", what), ENOSPC);
        bytes = bytes.subspan(static_cast<std::size_t>(size));
        offset += size;
    }
    return {};
}

Result<> sync_folder(const std::filesystem::path& folder) {
    const Fd descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!descriptor.is_open() || ::fsync(descriptor.get()) != 0) {
        return fail_errno(fmt::format("cannot sync the folder {}", folder.string()), errno);
    }
    return {};
}

Result<> replace_file(const std::filesystem::path& file, std::string_view text, mode_t mode) {
    const std::string temporary = file.string() + ".new";
    Fd descriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!descriptor.is_open() || ::fchmod(descriptor.get(), mode) != 0) {
        return fail_errno(fmt::format("cannot write {}", temporary), errno);
    }
    if (auto written = write_all(real_disk(), descriptor.get(), as_bytes(text), 0, temporary); !written) {
        ::unlink(temporary.c_str());
        return written;
    }
    if (::fsync(descriptor.get()) != 0 || ::rename(temporary.c_str(), file.c_str()) != 0) {
        const int number = errno;
        ::unlink(temporary.c_str());
        return fail_errno(fmt::format("cannot write {}", file.string()), number);
    }
    return sync_folder(file.has_parent_path() ? file.parent_path() : std::filesystem::path("."));
}

Result<std::string> read_small_file(const std::filesystem::path& file, std::size_t limit) {
    const Fd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!descriptor.is_open()) {
        if (errno == ENOENT) return fail(Errc::not_found, fmt::format("there is no file {}", file.string()));
        return fail_errno(fmt::format("cannot read {}", file.string()), errno);
    }
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return fail_errno(fmt::format("cannot read {}", file.string()), errno);
    // One byte more than it has, to see that it ends there.
    std::string text(std::min(static_cast<std::size_t>(status.st_size), limit) + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t got = ::read(descriptor.get(), text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(fmt::format("cannot read {}", file.string()), errno);
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size > limit || static_cast<std::size_t>(status.st_size) > limit)
        return fail(Errc::limit, fmt::format("{} has more than {} bytes", file.string(), limit));
    text.resize(size);
    return text;
}

}  // namespace assent::record

// Small files that must survive a crash whole, and the calls on the disk that tests make fail.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

namespace assent::record {

// The calls by which records reach the disk. Tests put a failing disk here; everybody else uses real_disk().
class Disk {
public:
    virtual ~Disk() = default;
    // As pwrite(2) and fdatasync(2): -1 with errno.
    [[nodiscard]] virtual ssize_t write(int descriptor, Bytes bytes, off_t offset) = 0;
    [[nodiscard]] virtual int sync(int descriptor) = 0;
    // These synced bytes are not read again soon: memory need not be kept for them.
    virtual void forget_cached(int descriptor, off_t offset, off_t size) noexcept = 0;
    // What an unprivileged process could still write to the file system of this file.
    [[nodiscard]] virtual std::uint64_t free_bytes(int descriptor) = 0;
};

[[nodiscard]] Disk& real_disk() noexcept;

// Writes everything, through short writes and interruptions.
[[nodiscard]] Result<> write_all(Disk& disk, int descriptor, Bytes bytes, off_t offset, std::string_view what);
// The file is either as before or has the new text, also after a crash.
[[nodiscard]] Result<> replace_file(const std::filesystem::path& file, std::string_view text, mode_t mode);
[[nodiscard]] Result<> sync_folder(const std::filesystem::path& folder);
// At most `limit` bytes; more is Errc::limit. Errc::not_found when there is no such file.
[[nodiscard]] Result<std::string> read_small_file(const std::filesystem::path& file, std::size_t limit);

}  // namespace assent::record

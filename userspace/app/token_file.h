// The file that an agent's token is kept in: read with its owner's rights, and looked at for changes.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "kernel/unix_socket.h"

namespace assent::app {

// Which file lies at a path, and as of when. Files are replaced, written in place, or led to by another symbolic link.
struct FileVersion {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t changed_ns = 0;
    std::int64_t size = 0;
    bool operator==(const FileVersion&) const = default;
};

// Nothing: there is no such file.
[[nodiscard]] std::optional<FileVersion> version_of(const std::filesystem::path& path);

// The token in the file, without white space around it. Errors: Errc::io, Errc::denied, Errc::invalid (empty), Errc::limit.
// No message holds anything of the content.
[[nodiscard]] Result<std::string> read_token_file(const std::filesystem::path& path, const kernel::UnixCaller& reader);

}  // namespace assent::app

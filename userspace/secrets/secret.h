// Secrets that live in files: passwords that targets get and agents never see.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace assent::secrets {

// The content of the file, without one line feed (and the carriage return before it) at its end. The file is owned by root
// or by this process's user, is a regular file that nobody else may read or write, and is not empty. Errors:
// Errc::not_found, Errc::denied (somebody else may read or write it, or owns it), Errc::limit, Errc::invalid (empty),
// Errc::io. No message holds anything of the content. Thread: any.
[[nodiscard]] Result<std::string> read_secret(const std::filesystem::path& path);

}  // namespace assent::secrets

// Addresses of unix sockets in the file system.
#pragma once

#include <sys/un.h>

#include <filesystem>

#include "base/result.h"

namespace assent::control {

// Errc::invalid: the path is longer than a unix socket's may be (107 bytes).
[[nodiscard]] Result<sockaddr_un> unix_address(const std::filesystem::path& path);

}  // namespace assent::control

// The login of the person at the terminal: their tokens in a file of their own ($XDG_STATE_HOME/assent/login.json, 0600).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace assent::cli {

struct StoredLogin {
    std::string issuer;
    std::string id_token;
    std::string refresh_token;  // empty: when the ID token has expired, they log in anew
};

// Errc::not_found: neither XDG_STATE_HOME nor HOME says where.
[[nodiscard]] Result<std::filesystem::path> login_file();
// Nothing: nobody has logged in. Errc::denied: others may read or have written the file. Errc::invalid: it is broken.
[[nodiscard]] Result<std::optional<StoredLogin>> read_login();
[[nodiscard]] Result<> save_login(const StoredLogin& login);
// False: there was none.
[[nodiscard]] Result<bool> remove_login();

// The request with the ID token of whoever has logged in; refreshed by the daemon at `socket` when it is about to expire. As
// it is for a person who has not logged in, and for verbs that mean this host's user. Errc::denied: the login has ended.
[[nodiscard]] Result<nlohmann::json> with_login(nlohmann::json request, const std::filesystem::path& socket);

}  // namespace assent::cli

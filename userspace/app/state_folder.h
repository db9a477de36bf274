// What the daemon keeps on disk beside its log: folders with their modes, the key of hashed masks, the last good policy set,
// and what was done while it was not running.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "policy/settings.h"

namespace assent::app {

// Makes the state folder (0700), its folders, and the run folder (0755).
[[nodiscard]] Result<> make_folders(const policy::Settings& settings);

// 32 random bytes in keys/mask.key (0600), made once. Errc::invalid: what is there is not a key.
[[nodiscard]] Result<Digest> mask_key(const std::filesystem::path& state);

// Replaces the copy of the last policy set that loaded.
[[nodiscard]] Result<> save_last_good(const std::filesystem::path& state, const std::map<std::string, std::string>& files);
[[nodiscard]] std::filesystem::path last_good_folder(const std::filesystem::path& state);

// Gives each line that `assent detach` left while no daemon ran to `each`, then removes the file. A line that cannot be
// handed over keeps the file.
[[nodiscard]] Result<> take_detached_notes(const std::filesystem::path& state,
                                           const std::function<Result<>(const std::string& line)>& each);

}  // namespace assent::app

// What the daemon keeps on disk beside its log: folders with their modes, the key of hashed masks, the last good policy set
// and its revision, and what was done while it was not running.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"
#include "policy/settings.h"

namespace assent::app {

// Makes the state folder (0700), its folders, and the run folder (0755).
[[nodiscard]] Result<> make_folders(const policy::Settings& settings);

// 32 random bytes in keys/mask.key (0600), made once. Errc::invalid: what is there is not a key.
[[nodiscard]] Result<Digest> mask_key(const std::filesystem::path& state);

// Replaces a small file (0600), whole and durable.
[[nodiscard]] Result<> replace_file(const std::filesystem::path& file, Bytes content);

// Replaces the copy of the last policy set that loaded.
[[nodiscard]] Result<> save_last_good(const std::filesystem::path& state, const std::map<std::string, std::string>& files);
[[nodiscard]] std::filesystem::path last_good_folder(const std::filesystem::path& state);

// Revisions go on counting after a restart, so that a number in the log means one set. 0: there was none yet.
[[nodiscard]] Result<std::uint64_t> last_policy_revision(const std::filesystem::path& state);
[[nodiscard]] Result<> save_policy_revision(const std::filesystem::path& state, std::uint64_t revision);

// Gives each line that `assent detach` left while no daemon ran to `each`, then removes the file. A line that cannot be
// handed over keeps the file.
[[nodiscard]] Result<> take_detached_notes(const std::filesystem::path& state,
                                           const std::function<Result<>(const std::string& line)>& each);

// A file that is there for as long as a daemon runs, or when one did not stop in order: JSON that says when it started and,
// if it could, what it left unwritten. Its place on the disk is taken at the start, so that a full one does not keep it
// silent.
class RunNote {
public:
    // What the daemon before left; empty when it stopped in order, or there was none.
    [[nodiscard]] static std::string left_by_the_one_before(const std::filesystem::path& state);
    // Replaces it by that of this process. `members` are JSON members, at most 2 KiB.
    [[nodiscard]] Result<> begin(const std::filesystem::path& state, std::string_view members);
    // It stopped in order: removes the file.
    void remove();
    // It could not write everything: adds these members.
    [[nodiscard]] Result<> add(std::string_view members);

private:
    [[nodiscard]] Result<> write();

    std::filesystem::path file_;
    Fd out_;
    std::string members_;
};

}  // namespace assent::app

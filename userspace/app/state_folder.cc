#include "app/state_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "base/fd.h"

namespace assent::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* revision_name = "policy-revision";
constexpr const char* run_note_name = "running.json";
constexpr std::size_t run_note_size = 4096;

Result<> make_folder(const fs::path& folder, mode_t mode) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return fail_errno("making " + folder.string(), error.value());
    if (::chmod(folder.c_str(), mode) != 0) return fail_errno("chmod of " + folder.string(), errno);
    return {};
}

// Made with O_EXCL, whole and durable, or not at all.
Result<> write_new_file(const fs::path& file, Bytes content, mode_t mode) {
    Fd out(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!out.is_open()) return fail_errno("creating " + file.string(), errno);
    while (!content.empty()) {
        const ssize_t size = ::write(out.get(), content.data(), content.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return fail_errno("writing " + file.string(), errno);
        content = content.subspan(static_cast<std::size_t>(size));
    }
    if (::fsync(out.get()) != 0) return fail_errno("fsync of " + file.string(), errno);
    return {};
}

}  // namespace

Result<> replace_file(const fs::path& file, Bytes content) {
    const fs::path fresh = file.string() + ".new";
    ::unlink(fresh.c_str());
    if (auto result = write_new_file(fresh, content, 0600); !result) return result;
    if (::rename(fresh.c_str(), file.c_str()) != 0) return fail_errno("renaming " + fresh.string(), errno);
    return {};
}

Result<> make_folders(const policy::Settings& settings) {
    if (auto result = make_folder(settings.state, 0700); !result) return result;
    if (auto result = make_folder(settings.state / "keys", 0700); !result) return result;
    if (auto result = make_folder(settings.state / "tls", 0700); !result) return result;
    return make_folder(settings.run, 0755);
}

Result<Digest> mask_key(const fs::path& state) {
    const fs::path file = state / "keys/mask.key";
    Digest key{};
    Fd in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!in.is_open() && errno == ENOENT) {
        fill_random(key);
        if (auto result = replace_file(file, key); !result) return std::unexpected(result.error());
        return key;
    }
    if (!in.is_open()) return fail_errno("opening " + file.string(), errno);
    struct stat status {};
    if (::fstat(in.get(), &status) != 0 || (status.st_mode & 077U) != 0) {
        return fail(Errc::denied, file.string() + " can be read by others than its owner; chmod 600 it");
    }
    if (status.st_size != static_cast<off_t>(key.size()) ||
        ::read(in.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size())) {
        return fail(
            Errc::invalid,
            file.string() +
                " is not 32 bytes; hashes of masked values would change if it were replaced, so that is left to you");
    }
    return key;
}

fs::path last_good_folder(const fs::path& state) { return state / "policy-last-good"; }

Result<> save_last_good(const fs::path& state, const std::map<std::string, std::string>& files) {
    const fs::path fresh = state / "policy-last-good.new";
    const fs::path old = state / "policy-last-good.old";
    std::error_code error;
    fs::remove_all(fresh, error);
    if (auto result = make_folder(fresh, 0700); !result) return result;
    for (const auto& [name, text] : files) {
        const fs::path file = fresh / fs::path(name).relative_path();
        if (auto result = make_folder(file.parent_path(), 0700); !result) return result;
        if (auto result = write_new_file(file, as_bytes(text), 0600); !result) return result;
    }
    fs::remove_all(old, error);
    fs::rename(last_good_folder(state), old, error);  // there may be none yet
    fs::rename(fresh, last_good_folder(state), error);
    if (error) return fail_errno("renaming " + fresh.string(), error.value());
    fs::remove_all(old, error);
    return {};
}

Result<std::uint64_t> last_policy_revision(const fs::path& state) {
    const fs::path file = state / revision_name;
    std::error_code error;
    if (!fs::exists(file, error) && !error) return 0;
    std::ifstream in(file);
    std::uint64_t revision = 0;
    if (!(in >> revision))
        return fail(Errc::invalid, file.string() +
                                       " does not hold a number; write into it the highest "
                                       "revision that the records policy.loaded have");
    return revision;
}

Result<> save_policy_revision(const fs::path& state, std::uint64_t revision) {
    const auto text = std::to_string(revision) + "\n";
    return replace_file(state / revision_name, as_bytes(text));
}

std::string RunNote::left_by_the_one_before(const fs::path& state) {
    std::ifstream in(state / run_note_name);
    std::string line;
    std::getline(in, line);
    return line.substr(0, line.find_last_not_of(' ') + 1);
}

Result<> RunNote::begin(const fs::path& state, std::string_view members) {
    file_ = state / run_note_name;
    members_ = members;
    out_.reset(::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!out_.is_open()) return fail_errno("opening " + file_.string(), errno);
    return write();
}

Result<> RunNote::add(std::string_view members) {
    if (!out_.is_open()) return {};
    members_.append(",").append(members);
    return write();
}

// Always over the same bytes.
Result<> RunNote::write() {
    std::string text = "{" + members_ + "}";
    text.resize(run_note_size - 1, ' ');
    text.push_back('\n');
    if (::pwrite(out_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) || ::fsync(out_.get()) != 0)
        return fail_errno("writing " + file_.string(), errno);
    return {};
}

void RunNote::remove() {
    if (!out_.is_open()) return;
    ::unlink(file_.c_str());
    out_.reset();
}

Result<> take_detached_notes(const fs::path& state, const std::function<Result<>(const std::string& line)>& each) {
    const fs::path file = state / "detached.jsonl";
    std::ifstream in(file);
    if (!in) return {};
    for (std::string line; std::getline(in, line);) {
        if (line.empty()) continue;
        if (auto result = each(line); !result) return result;
    }
    in.close();
    if (::unlink(file.c_str()) != 0) return fail_errno("removing " + file.string(), errno);
    return {};
}

}  // namespace assent::app

#include "policy/policy_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "base/fd.h"
#include "base/limits.h"

namespace assent::policy {
namespace {

namespace fs = std::filesystem;

std::string error_text(int number) { return std::generic_category().message(number); }

// Every regular file below the directory, hidden ones left out, sorted.
std::vector<fs::path> files_below(const fs::path& directory, std::vector<Diagnostic>& mistakes) {
    std::vector<fs::path> out;
    std::error_code error;
    if (!fs::is_directory(directory, error)) {
        mistakes.push_back(
            {directory.string(), 0, 0, error ? fmt::format("cannot be opened: {}", error.message()) : "is not a directory"});
        return out;
    }
    fs::recursive_directory_iterator walk(directory, error);
    for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
        const bool is_hidden = walk->path().filename().string().starts_with('.');
        if (is_hidden) {
            walk.disable_recursion_pending();
            continue;
        }
        std::error_code kind_error;
        if (walk->is_directory(kind_error) && !kind_error) {
            // Neither is what it looks like, and rules that are not read protect nothing.
            if (walk->is_symlink(kind_error)) {
                mistakes.push_back(
                    {walk->path().string(), 0, 0, "is a link to a directory, which is not followed; put the files here"});
            } else if (walk->path().filename().string().ends_with(".yaml")) {
                mistakes.push_back(
                    {walk->path().string(), 0, 0, "is a directory, and has the name of a policy file; rename it"});
            }
            continue;
        }
        out.push_back(walk->path());
        if (out.size() > limits::policy_files * 4) {
            mistakes.push_back({directory.string(), 0, 0, "holds too many files to be a policy directory"});
            break;
        }
    }
    if (error) mistakes.push_back({directory.string(), 0, 0, fmt::format("cannot be read: {}", error.message())});
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

std::optional<std::string> read_text_file(const fs::path& file, const std::string& shown,
                                          std::vector<Diagnostic>& mistakes) {
    const auto mistake = [&](std::string message) {
        mistakes.push_back({shown, 0, 0, std::move(message)});
        return std::nullopt;
    };
    const Fd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!descriptor.is_open()) return mistake(fmt::format("cannot be opened: {}", error_text(errno)));
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return mistake(fmt::format("cannot be read: {}", error_text(errno)));
    if (!S_ISREG(status.st_mode)) return mistake("is not a regular file");
    std::string text;
    std::string piece(64 * limits::KiB, '\0');
    for (;;) {
        const ssize_t got = ::read(descriptor.get(), piece.data(), piece.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return mistake(fmt::format("cannot be read: {}", error_text(errno)));
        if (got == 0) return text;
        text.append(piece, 0, static_cast<std::size_t>(got));
        if (text.size() > limits::policy_file_size)
            return mistake(fmt::format("larger than {} MiB", limits::policy_file_size / limits::MiB));
    }
}

std::map<std::string, std::string> read_policy_files(const fs::path& directory, std::vector<Diagnostic>& mistakes) {
    std::map<std::string, std::string> out;
    for (const auto& path : files_below(directory, mistakes)) {
        const std::string name = path.filename().string();
        if (name.ends_with(".yml")) {
            mistakes.push_back({path.string(), 0, 0, "is not read: policy files end in .yaml; rename it, or move it away"});
        }
        if (!name.ends_with(".yaml") || name.ends_with(".test.yaml")) continue;
        if (out.size() == limits::policy_files) {
            mistakes.push_back({directory.string(), 0, 0, fmt::format("more than {} policy files", limits::policy_files)});
            break;
        }
        auto text = read_text_file(path, path.string(), mistakes);
        if (text) out.emplace(path.lexically_relative(directory).string(), std::move(*text));
    }
    return out;
}

std::vector<fs::path> find_test_files(const fs::path& directory, std::vector<Diagnostic>& mistakes) {
    auto files = files_below(directory, mistakes);
    std::erase_if(files, [](const fs::path& path) { return !path.filename().string().ends_with(".test.yaml"); });
    return files;
}

}  // namespace assent::policy

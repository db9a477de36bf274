#include "kernel/cgroup_watch.h"

#include <fnmatch.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "kernel/cgroup.h"

namespace assent::kernel {

CgroupWatch::CgroupWatch(std::filesystem::path root)
    : root_(std::move(root)), inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}

// A watch that exists already is kept; one that cannot be made leaves the periodic check.
void CgroupWatch::watch(const std::filesystem::path& folder) {
    if (inotify_.is_open())
        static_cast<void>(
            ::inotify_add_watch(inotify_.get(), folder.c_str(), IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR));
}

void CgroupWatch::add(std::string_view path) { watch(cgroup_folder(root_, path).parent_path()); }

std::vector<std::string> CgroupWatch::matching(const std::vector<std::string>& patterns) {
    std::vector<std::string> out;
    if (patterns.empty()) return out;
    std::vector<std::string> slices{""};
    for (std::size_t at = 0; at < slices.size() && slices.size() < limits::watched_cgroups; ++at) {
        const auto folder = cgroup_folder(root_, slices[at]);
        watch(folder);  // before looking, so that nothing appears unseen between the two
        std::error_code error;
        for (auto it = std::filesystem::directory_iterator(folder, error);
             !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
            std::error_code gone;
            if (!it->is_directory(gone)) continue;
            const auto name = it->path().filename().string();
            const auto path = slices[at] + "/" + name;
            if (name.ends_with(".slice")) slices.push_back(path);
            const auto matches = [&](const std::string& pattern) {
                return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
            };
            if (std::ranges::any_of(patterns, matches)) out.push_back(path);
        }
    }
    return out;
}

// `rest` begins with '/'.
void CgroupWatch::add_matching(const std::string& above, std::string_view rest, std::vector<std::string>& out) {
    const auto end = std::min(rest.find('/', 1), rest.size());
    const std::string part(rest.substr(1, end - 1));
    const auto folder = cgroup_folder(root_, above);
    watch(folder);  // before looking
    std::error_code error;
    for (auto it = std::filesystem::directory_iterator(folder, error); !error && it != std::filesystem::directory_iterator();
         it.increment(error)) {
        std::error_code gone;
        const auto name = it->path().filename().string();
        if (out.size() >= limits::watched_cgroups || !it->is_directory(gone) ||
            ::fnmatch(part.c_str(), name.c_str(), 0) != 0)
            continue;
        if (end == rest.size())
            out.push_back(above + "/" + name);
        else
            add_matching(above + "/" + name, rest.substr(end), out);
    }
}

std::vector<std::string> CgroupWatch::matching_paths(const std::vector<std::string>& patterns) {
    std::vector<std::string> out;
    for (const auto& pattern : patterns) add_matching({}, pattern, out);
    return out;
}

bool CgroupWatch::drain() {
    std::array<char, 4096> buffer{};
    bool is_changed = false;
    while (inotify_.is_open() && ::read(inotify_.get(), buffer.data(), buffer.size()) > 0) is_changed = true;
    return is_changed;
}

}  // namespace assent::kernel

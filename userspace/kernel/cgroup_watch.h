// Notices cgroups that appear or go. Private to kernel/; guarded by its owner's lock except descriptor() and drain().
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace assent::kernel {

class CgroupWatch {
public:
    explicit CgroupWatch(std::filesystem::path root);

    // Watches the folder that this path ("/assent.slice") is in.
    void add(std::string_view path);
    // Paths of cgroups whose own name matches one of the patterns (* ? [ ]). Looks into slices, and watches them from now
    // on.
    [[nodiscard]] std::vector<std::string> matching(const std::vector<std::string>& patterns);
    // Paths of cgroups that fit one of these, "/docker/*": each part is a pattern. Watches the folders on the way.
    [[nodiscard]] std::vector<std::string> matching_paths(const std::vector<std::string>& patterns);
    // Readable when something has changed; -1 when the host has no inotify to spare (then only the owner's periodic check
    // notices).
    [[nodiscard]] int descriptor() const noexcept { return inotify_.get(); }
    // Reads what has changed; false: nothing.
    [[nodiscard]] bool drain();

private:
    void add_matching(const std::string& above, std::string_view rest, std::vector<std::string>& out);
    void watch(const std::filesystem::path& folder);

    std::filesystem::path root_;
    Fd inotify_;
};

}  // namespace assent::kernel

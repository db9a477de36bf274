#include "kernel/unix_files.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace assent::kernel {

std::vector<std::pair<assent_unix_key, std::uint32_t>> unix_files(const std::vector<UnixRule>& rules) {
    std::vector<std::pair<assent_unix_key, std::uint32_t>> out;
    for (const auto& rule : rules) {
        if (rule.action != UnixRule::Action::pass) continue;
        assent_unix_key key{};
        if (rule.name.starts_with('@')) {
            const auto name = std::string_view(rule.name).substr(1);
            if (name.size() > sizeof(key.name)) continue;  // no socket has such a name
            key.name_size = static_cast<std::uint32_t>(name.size());
            std::ranges::copy(name, std::begin(key.name));
        } else {
            struct stat status {};
            if (::stat(rule.name.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) continue;
            key.inode = status.st_ino;
            key.device = ::major(status.st_dev) << 20U | ::minor(status.st_dev);
        }
        out.emplace_back(key, 1U);
    }
    return out;
}

}  // namespace assent::kernel

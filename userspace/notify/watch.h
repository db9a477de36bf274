// Takes notices from the daemon, for as long as it takes. Each hold is told of once: what was seen last is kept in a file,
// so that a restart of either side tells of what came meanwhile and of nothing twice.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

namespace assent::notify {

class Watch {
public:
    // `folder`: where to keep what was seen last; empty: nowhere, and then holds from before the start are not told of.
    Watch(std::filesystem::path socket, const std::filesystem::path& folder);
    // Until `is_over`; looks at it every second. Errors are logged, and it tries again.
    void run(const std::function<void(const nlohmann::json& notice)>& each, const std::atomic<bool>& is_over);

private:
    void take(const nlohmann::json& line, const std::function<void(const nlohmann::json&)>& each);
    void keep() const;

    std::filesystem::path socket_;
    std::filesystem::path file_;
    std::string seen_;         // when the newest hold was opened that was told of
    bool is_listing_ = false;  // what comes was waiting before we asked
};

}  // namespace assent::notify

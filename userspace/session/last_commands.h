// The last commands of a session, shortened, for reviewers of what comes next. Reuses its memory.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace assent::session {

class LastCommands {
public:
    void add(std::string_view text) { texts_[count_++ % texts_.size()].assign(text.substr(0, shown_size)); }
    // The oldest first.
    [[nodiscard]] std::vector<std::string> list() const {
        std::vector<std::string> out;
        for (std::size_t i = count_ < texts_.size() ? 0 : count_ - texts_.size(); i < count_; ++i) {
            out.push_back(texts_[i % texts_.size()]);
        }
        return out;
    }

private:
    static constexpr std::size_t shown_size = 200;

    std::array<std::string, 10> texts_;
    std::size_t count_ = 0;
};

}  // namespace assent::session

// Tells a session's records as a story for people. All text is escaped (base/shown_text.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/time.h"

namespace assent::cli {

class Story {
public:
    // The next record (an `event` of record/replay.h) as lines, with their line feeds. Tolerates what is absent.
    [[nodiscard]] std::string tell(const nlohmann::json& event);
    // What is to be said after the last one.
    [[nodiscard]] std::string end() const;

private:
    // The begin of a line: how long after the first record.
    [[nodiscard]] std::string moment(const nlohmann::json& event);
    [[nodiscard]] std::string opened(const nlohmann::json& event);
    [[nodiscard]] std::string lines_of(const nlohmann::json& event);

    std::optional<WallTime> begin_;
    bool is_closed_ = false;
};

}  // namespace assent::cli

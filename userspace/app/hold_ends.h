// Records the end of each hold once, also over a restart: the desk remembers which ends are known to be in the log. Thread:
// one at a time.
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <utility>

#include "approve/desk.h"
#include "model/record.h"

namespace assent::app {

class HoldEnds {
public:
    // Both live longer.
    HoldEnds(approve::Desk& desk, model::RecordSink& records) : desk_(desk), records_(records) {}

    // What ended before this daemon started and may not be in the log: it is looked for there, and else recorded now.
    [[nodiscard]] Result<> catch_up(const std::filesystem::path& log_folder);
    // `session` is the one that used it, or that had asked for it.
    void ended(const approve::Hold& hold, const std::string& session);
    // Gives the log what it did not take, and tells the desk what has become durable. About once a second, and at the end.
    void settle();

private:
    struct End {
        std::string hold;
        std::string session;
        std::string members;
        WallTime when;
    };

    approve::Desk& desk_;
    model::RecordSink& records_;
    std::deque<End> waiting_;  // for the log; what is lost with this process is found by catch_up() of the next
    std::deque<std::pair<model::RecordTicket, std::string>> recorded_;  // not durable, or not told to the desk
};

}  // namespace assent::app

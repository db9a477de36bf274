#include "record/session_cut.h"

#include "model/record.h"

namespace assent::record {

std::optional<SessionCut> CutWatch::see(const Entry& entry) {
    namespace type = model::record_type;
    // Of a repaired log it stands before the start that it belongs to.
    if (entry.start.type == type::degraded) return std::nullopt;
    const std::string time(entry.start.time);
    std::optional<SessionCut> cut;
    if (entry.start.type == type::daemon_stopped) {
        cut = {last_, time, "cut: assentd stopped"};
    } else if (entry.start.type == type::daemon_started && !last_.empty()) {
        cut = {last_, time, has_stopped_ ? "cut: assentd stopped" : "cut: assentd was killed or crashed"};
    }
    has_stopped_ = entry.start.type == type::daemon_stopped;
    last_ = time;
    return cut;
}

}  // namespace assent::record

// Sessions without an end of their own: those of a daemon that was killed or crashed, or could not close them when it
// stopped. The log tells of it: no record of theirs is written after the next `daemon.started`.
#pragma once

#include <optional>
#include <string>

#include "record/reader.h"

namespace assent::record {

struct SessionCut {
    std::string after;   // RFC 3339: the last that the log has of that daemon
    std::string before;  // its stop, or the start of the next one
    std::string why;     // a sentence
};

class CutWatch {
public:
    // To be given every record in order. Something: every session that is open at this record was cut.
    [[nodiscard]] std::optional<SessionCut> see(const Entry& entry);

private:
    std::string last_;  // time of the last record; empty: none
    bool has_stopped_ = false;
};

}  // namespace assent::record

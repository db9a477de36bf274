// A session's way to the log. Commands are appended or not, at once; what tells of something that has happened already is
// kept and tried again when the log cannot take it, and the session stops reading until it is gone.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "model/agent.h"
#include "model/kept_records.h"
#include "model/record.h"

namespace assent::session {

class Recorder {
public:
    Recorder(model::RecordSink& sink, std::string session, const Clock& clock)
        : sink_(sink), session_(std::move(session)), clock_(clock) {}

    // Fails when the log cannot take it (model::RecordSink::append says how).
    [[nodiscard]] Result<model::RecordTicket> append(std::string_view type, std::string_view members,
                                                     std::span<const model::RecordBody> bodies, bool is_urgent);
    // Never fails: kept until the log takes it.
    void tell(std::string_view type, std::string_view members, std::span<const model::RecordBody> bodies = {});

    [[nodiscard]] bool is_durable(model::RecordTicket ticket) const noexcept { return sink_.durable() >= ticket; }
    [[nodiscard]] bool is_available() const noexcept { return sink_.is_available(); }
    // Nothing waits to be told.
    [[nodiscard]] bool is_clear() const noexcept { return kept_.is_empty(); }
    // Something may happen that will be told: either nothing waits, or the log takes nothing, so that the agent has to hear
    // that, and what is kept of its refusals is little.
    [[nodiscard]] bool has_room() const noexcept;
    // The log has moved: tells what was kept.
    void retry() { kept_.retry(sink_); }
    // What waits to be told, for somebody who stays when the session goes.
    [[nodiscard]] model::KeptRecords leave() { return std::exchange(kept_, model::KeptRecords()); }

private:
    model::RecordSink& sink_;
    std::string session_;
    const Clock& clock_;
    model::KeptRecords kept_;
};

// {"name":…, "cgroup":…} as FORMAT.md has it.
// What was verified of a token, for records; never the token itself.
[[nodiscard]] std::string token_json(const model::AgentToken& token);
[[nodiscard]] std::string agent_json(const model::Agent& agent, const std::vector<std::string>& sets);

}  // namespace assent::session

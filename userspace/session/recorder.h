// A session's way to the log. Commands are appended or not, at once; what tells of something that has happened already is
// kept and tried again when the log cannot take it, and the session stops reading until it is gone.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "model/agent.h"
#include "model/record.h"

namespace assent::session {

class Recorder {
public:
    Recorder(model::RecordSink& sink, std::string session) : sink_(sink), session_(std::move(session)) {}

    // Fails when the log cannot take it (model::RecordSink::append says how).
    [[nodiscard]] Result<model::RecordTicket> append(std::string_view type, std::string_view members,
                                                     std::span<const model::RecordBody> bodies, bool is_urgent);
    // Never fails: kept until the log takes it.
    void tell(std::string_view type, std::string_view members, std::span<const model::RecordBody> bodies = {});

    [[nodiscard]] bool is_durable(model::RecordTicket ticket) const noexcept { return sink_.durable() >= ticket; }
    [[nodiscard]] bool is_available() const noexcept { return sink_.is_available(); }
    // Nothing waits to be told.
    [[nodiscard]] bool is_clear() const noexcept { return kept_.empty(); }
    // The log has moved: tells what was kept.
    void retry();

private:
    struct Kept {
        std::string type;
        std::string members;
        std::vector<std::pair<std::string, std::string>> bodies;
    };
    model::RecordSink& sink_;
    std::string session_;
    std::deque<Kept> kept_;
};

// {"name":…, "cgroup":…} as FORMAT.md has it.
[[nodiscard]] std::string agent_json(const model::Agent& agent, const std::vector<std::string>& sets);

}  // namespace assent::session

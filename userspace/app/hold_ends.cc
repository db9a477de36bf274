#include "app/hold_ends.h"

#include <algorithm>
#include <set>
#include <vector>

#include <spdlog/spdlog.h>

#include "base/json_writer.h"
#include "record/reader.h"

namespace assent::app {
namespace {

// Which of these holds the log knows to have ended, looking from this time on.
Result<std::vector<std::string>> ends_in_log(const std::filesystem::path& folder, const std::set<std::string>& wanted,
                                             WallTime since) {
    auto reader = record::Reader::open(folder, {.wants_bodies = false, .since = since});
    if (!reader) return std::unexpected(reader.error());
    std::vector<std::string> found;
    for (;;) {
        const auto entry = reader->next();
        if (!entry && entry.error().code != Errc::malformed) return std::unexpected(entry.error());
        if (!entry) continue;  // a damaged segment: `assent verify` tells
        if (!*entry) return found;
        if ((*entry)->start.type != model::record_type::hold_ended) continue;
        const auto leaf = record::parse_leaf((*entry)->leaf);
        if (!leaf || !leaf->contains("hold") || !(*leaf)["hold"].is_string()) continue;
        auto hold = (*leaf)["hold"].get<std::string>();
        if (wanted.contains(hold)) found.push_back(std::move(hold));
    }
}

}  // namespace

Result<> HoldEnds::catch_up(const std::filesystem::path& log_folder) {
    const auto holds = desk_.unrecorded_ends();
    if (!holds) return std::unexpected(holds.error());
    if (holds->empty()) return {};
    std::set<std::string> ids;
    WallTime since = WallTime::max();
    for (const auto& hold : *holds) {
        ids.insert(hold.status.id);
        since = std::min(since, hold.decided);
    }
    const auto found = ends_in_log(log_folder, ids, since - std::chrono::minutes(1));
    if (!found) return std::unexpected(found.error());
    if (auto told = desk_.ends_recorded(*found); !told) return told;
    for (const auto& hold : *holds) {
        if (std::ranges::find(*found, hold.status.id) == found->end()) ended(hold, hold.request.session);
    }
    return {};
}

void HoldEnds::ended(const approve::Hold& hold, const std::string& session) {
    std::string members;
    JsonWriter writer(members);
    writer.member("hold", hold.status.id).member("state", model::name_of(hold.status.state));
    const bool is_of_a_person = hold.status.state == model::HoldState::used || hold.status.state == model::HoldState::denied;
    if (!is_of_a_person && !hold.status.reason.empty()) writer.member("reason", hold.status.reason);
    waiting_.push_back({hold.status.id, session, std::move(members), system_clock().wall()});
    settle();
}

void HoldEnds::settle() {
    while (!waiting_.empty()) {
        const End& end = waiting_.front();
        const auto ticket = records_.append({model::record_type::hold_ended, end.session, end.members, {}, false, end.when});
        if (!ticket) break;
        recorded_.emplace_back(*ticket, end.hold);
        waiting_.pop_front();
    }
    std::vector<std::string> durable;
    for (const auto& [ticket, hold] : recorded_) {
        if (ticket > records_.durable()) break;
        durable.push_back(hold);
    }
    if (durable.empty()) return;
    if (const auto told = desk_.ends_recorded(durable); !told)
        return spdlog::warn("the ends of holds: {}", told.error().message);
    recorded_.erase(recorded_.begin(), recorded_.begin() + static_cast<std::ptrdiff_t>(durable.size()));
}

}  // namespace assent::app

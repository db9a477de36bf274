// The daemon's desk, and what keeps agents from wearing people out.
#include <spdlog/spdlog.h>

#include "app/daemon_parts.h"
#include "app/hold_view.h"
#include "base/json_writer.h"
#include "base/shown_text.h"

namespace assent::app {
namespace {

constexpr std::size_t seconds_between_saves = 10;

// How reviewers are known here: by their login, as long as no identity provider is configured for them.
approve::Reviewing reviewing_of(const policy::Settings& settings) {
    const bool by_token = settings.identity.has_reviewers();
    return {.by_token = by_token, .by_unix = !by_token || settings.identity.has_local_reviewers};
}

}  // namespace

DecideLists Daemon::deciders() const {
    return {{settings_.decide_users, settings_.decide_groups, reviewing_of(settings_)},
            settings_.view_users,
            settings_.view_groups};
}

Result<> Daemon::open_holds() {
    auto desk = approve::Desk::open(settings_.state / "holds.sqlite", system_clock(), {reviewing_of(settings_)});
    if (!desk) return std::unexpected(desk.error());
    desk_ = std::move(*desk);
    const auto counts = desk_->limit_counts();
    if (!counts) return std::unexpected(counts.error());
    rule_limits_.load(*counts);
    suspensions_ = std::make_unique<Suspensions>(Suspensions::Parts{
        *desk_, settings_.suspend, system_clock(), [this](std::function<void()> task) { holds_->later(std::move(task)); },
        [this](const approve::Suspension& suspension) { tell_of(suspension); }});
    holds_ = std::make_unique<HoldService>(*desk_, log_->add_lane([] {}));
    holds_->every_second([this, second = std::size_t{0}]() mutable {
        if (++second % seconds_between_saves == 0) save_limits();
    });
    return holds_->start(log_->folder());
}

void Daemon::save_limits() {
    if (!rule_limits_.has_changed()) return;
    const auto saved = desk_->save_limit_counts(rule_limits_.save());
    if (!saved) spdlog::warn("what agents have used of their limits: {}", saved.error().message);
}

// On the service's thread. One that a person made was recorded when they did.
void Daemon::tell_of(const approve::Suspension& suspension) {
    spdlog::critical("SUSPENDED: agent {}: {}; `assent resume {}` lets it work again", shown_text(suspension.agent),
                     suspension.reason, shown_text(suspension.agent));
    std::string members;
    JsonWriter(members).member("agent", suspension.agent).member("automatic", true).member("reason", suspension.reason);
    if (const auto recorded = record({model::record_type::agent_suspended, {}, members, {}, true}); !recorded)
        spdlog::error("recording that {} is suspended: {}", shown_text(suspension.agent), recorded.error().message);
    notices_.put(notice_of(suspension));
}

void Daemon::describe_people(nlohmann::json& answer) const {
    using nlohmann::json;
    const WallTime now = system_clock().wall();
    json grants = json::array();
    for (const auto& grant : desk_->grants(false)) {
        json shown = grant_to_json(grant, now);
        if (shown["state"] == "in force" || grant.needs_review()) grants.push_back(std::move(shown));
    }
    json suspended = json::array();
    for (const auto& one : suspensions_->list()) {
        suspended.push_back({{"agent", shown_text(one.agent)},
                             {"by", one.by.empty() ? "assent" : shown_text(one.by)},
                             {"reason", shown_text(one.reason)},
                             {"since", to_rfc3339(one.since)}});
    }
    answer["holds_waiting"] = desk_->waiting_count();
    answer["approvals"] = std::move(grants);
    answer["suspended"] = std::move(suspended);
}

}  // namespace assent::app

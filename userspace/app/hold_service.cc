#include "app/hold_service.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "base/json_writer.h"
#include "base/time.h"

namespace assent::app {
namespace {

using namespace std::chrono_literals;

bool has_ended(model::HoldState state) { return state != model::HoldState::waiting && state != model::HoldState::approved; }

}  // namespace

HoldService::HoldService(approve::Desk& desk, model::RecordSink& records)
    : desk_(desk), records_(records), ends_(desk, records) {
    // Changes are looked at on this thread, after the call that opened the hold has noted who waits for it.
    desk_.on_change([this](const approve::Hold& hold) { post([this, hold] { changed(hold); }); });
}

HoldService::~HoldService() { stop(); }

Result<> HoldService::start(const std::filesystem::path& log_folder) {
    if (auto result = ends_.catch_up(log_folder); !result) return result;
    thread_ = std::thread([this] { run(); });
    return {};
}

void HoldService::stop() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
        has_tasks_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

std::size_t HoldService::finish() {
    ends_.settle();
    return kept_.count();
}

void HoldService::post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    tasks_.push_back(std::move(task));
    has_tasks_.notify_one();
}

void HoldService::run() {
    auto next_expiry = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (!is_stopping_) {
        if (tasks_.empty()) has_tasks_.wait_until(lock, next_expiry);
        auto tasks = std::exchange(tasks_, {});
        lock.unlock();
        for (auto& task : tasks) task();
        if (std::chrono::steady_clock::now() >= next_expiry) {
            expire();
            next_expiry = std::chrono::steady_clock::now() + 1s;
        }
        lock.lock();
    }
}

void HoldService::open(Client& client, const model::HoldRequest& request) {
    post([this, &client, request] { do_open(client, request); });
}

void HoldService::use(Client& client, const std::string& session, std::string_view id) {
    post([this, &client, session, id = std::string(id)] { do_use(client, session, id); });
}

void HoldService::leave(const std::string& session, std::string_view id, bool is_cancelled) {
    post([this, session, id = std::string(id), is_cancelled] { do_leave(session, id, is_cancelled); });
}

void HoldService::session_ended(const std::string& session) {
    post([this, session] { forget(session); });
}

void HoldService::do_open(Client& client, const model::HoldRequest& request) {
    forget(request.session);
    const auto status = desk_.request(request);
    if (!status) return client.hold_answered(request.session, HoldFailed{status.error().message});
    if (status->is_new) record_opened(request, *status);
    if (!has_ended(status->state)) {
        waiting_[request.session] = {&client, status->id};
        sessions_of_.emplace(status->id, request.session);
        desk_.set_connected(status->id, true);
    }
    client.hold_answered(request.session, *status);
}

void HoldService::do_use(Client& client, const std::string& session, const std::string& id) {
    const auto was_free = desk_.use(id);
    if (!was_free) spdlog::error("using hold {}: {}", id, was_free.error().message);
    const bool is_used = was_free.value_or(false);
    if (is_used) used_by_[id] = session;
    forget(session);
    // Behind the change that use() has posted, so that its end is recorded before the command that runs.
    post([&client, session, is_used] { client.hold_answered(session, HoldUsed{is_used}); });
}

void HoldService::do_leave(const std::string& session, const std::string& id, bool is_cancelled) {
    forget(session);
    if (!is_cancelled) return;
    if (const auto result = desk_.cancel(id); !result) spdlog::warn("cancelling hold {}: {}", id, result.error().message);
}

void HoldService::forget(const std::string& session) {
    const auto found = waiting_.find(session);
    if (found == waiting_.end()) return;
    desk_.set_connected(found->second.hold, false);
    const auto [begin, end] = sessions_of_.equal_range(found->second.hold);
    const auto own = std::find_if(begin, end, [&](const auto& entry) { return entry.second == session; });
    if (own != end) sessions_of_.erase(own);
    waiting_.erase(found);
}

void HoldService::changed(const approve::Hold& hold) {
    if (hold.status.state == model::HoldState::waiting) return;  // opened, or who is connected: the sessions know
    if (has_ended(hold.status.state)) {
        const auto user = used_by_.extract(hold.status.id);
        ends_.ended(hold, user ? user.mapped() : hold.request.session);
    }
    std::vector<std::pair<std::string, Client*>> told;
    const auto [begin, end] = sessions_of_.equal_range(hold.status.id);
    for (auto at = begin; at != end; ++at) {
        const auto waiting = waiting_.find(at->second);
        if (waiting != waiting_.end()) told.emplace_back(at->second, waiting->second.client);
    }
    for (const auto& [session, client] : told) {
        client->hold_answered(session, hold.status);
        if (has_ended(hold.status.state)) forget(session);
    }
}

void HoldService::expire() {
    (void)desk_.expire();  // changed() is told of each
    for (const auto& hold : desk_.escalate()) record_escalated(hold);
    if (every_second_) every_second_();
    kept_.retry(records_);
    ends_.settle();
}

void HoldService::record_escalated(const approve::Hold& hold) {
    if (hold.escalated.empty()) return;
    const approve::Escalated& last = hold.escalated.back();
    std::string members;
    JsonWriter writer(members);
    writer.member("hold", hold.status.id).member("approval", last.approval).member("stage", last.stage + 1);
    for (const auto& approval : hold.request.approvals) {
        if (approval.name != last.approval || last.stage >= approval.stages.size()) continue;
        writer.strings("users", approval.stages[last.stage].escalate_users);
        writer.strings("groups", approval.stages[last.stage].escalate_groups);
    }
    record({model::record_type::hold_escalated, hold.request.session, members, {}, false});
}

void HoldService::record_opened(const model::HoldRequest& request, const model::HoldStatus& status) {
    std::string members;
    JsonWriter writer(members);
    writer.member("hold", status.id).member("digest", to_hex(request.digest)).member("agent", request.agent);
    writer.member("target", request.target).member("database", request.database).member("user", request.database_user);
    writer.member("deadline", to_rfc3339(status.deadline))
        .strings("rules", request.rules)
        .strings("effects", request.effects);
    std::vector<std::string> approvals;
    for (const auto& approval : request.approvals) approvals.push_back(approval.name);
    writer.strings("approvals", approvals).member("in_transaction", request.is_in_transaction);
    writer.member("policy_revision", request.policy_revision);
    const std::string parameters =
        request.parameters.empty() ? "" : fmt::format("{}\n", fmt::join(request.parameters, "\n"));
    const std::array<model::RecordBody, 2> bodies{{{"text", as_bytes(request.text)}, {"parameters", as_bytes(parameters)}}};
    record({model::record_type::hold_opened, request.session, members, std::span(bodies).first(parameters.empty() ? 1 : 2),
            false});
}

void HoldService::record(const model::RecordDraft& draft) {
    if (!kept_.retry(records_) || !records_.append(draft)) kept_.add(draft, system_clock().wall());
}

}  // namespace assent::app

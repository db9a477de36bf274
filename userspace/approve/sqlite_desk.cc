#include <algorithm>
#include <deque>
#include <map>
#include <mutex>

#include "approve/desk.h"
#include "approve/hold_codec.h"
#include "approve/hold_id.h"
#include "approve/hold_store.h"
#include "approve/reviewers.h"
#include "base/limits.h"

namespace assent::approve {
namespace {

using model::HoldState;
using model::HoldStatus;

// Tells of changes in their order, with no lock held while it does.
class Announcer {
public:
    void add(std::function<void(const Hold&)> callback) {
        const std::scoped_lock lock(mutex_);
        callbacks_.push_back(std::move(callback));
    }
    // Under the desk's lock, so that the order is that of the changes.
    void put(Hold hold) {
        const std::scoped_lock lock(mutex_);
        queue_.push_back(std::move(hold));
    }
    // Outside of it. One thread at a time tells; the others leave theirs to it.
    void tell() {
        std::unique_lock lock(mutex_);
        if (is_telling_) return;
        is_telling_ = true;
        while (!queue_.empty()) {
            const Hold hold = std::move(queue_.front());
            queue_.pop_front();
            const auto callbacks = callbacks_;
            lock.unlock();
            for (const auto& callback : callbacks) callback(hold);
            lock.lock();
        }
        is_telling_ = false;
    }

private:
    std::mutex mutex_;
    std::deque<Hold> queue_;
    std::vector<std::function<void(const Hold&)>> callbacks_;
    bool is_telling_ = false;
};

// What is kept in memory of a hold that waits or is approved: one entry for each such row of the database.
struct Open {
    HoldState state = HoldState::waiting;
    std::string agent;
    WallTime deadline;
    Moment until;  // the deadline on the monotonic clock
    std::size_t connected = 0;
};

std::string listed(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
}

std::vector<std::string> outstanding_of(const Hold& hold) {
    std::vector<std::string> names;
    for (const auto& approval : hold.request.approvals) {
        if (std::ranges::find(hold.approved, approval.name) == hold.approved.end()) names.push_back(approval.name);
    }
    return names;
}

std::unexpected<Error> not_waiting(const Hold& hold) {
    std::string message =
        "hold " + hold.status.id + " does not wait any more: it was " + std::string(name_of(hold.status.state));
    if (!hold.status.decided_by.empty()) message += " by " + hold.status.decided_by;
    if (hold.decided != WallTime{}) message += " at " + to_rfc3339(hold.decided);
    return fail(Errc::not_found, std::move(message));
}

std::unexpected<Error> unknown(std::string_view id) {
    return fail(Errc::not_found, "there is no hold " + std::string(id) + "; `assent holds --all` lists them");
}

class SqliteDesk final : public Desk {
    template <typename Function>
    auto locked(Function function) {
        std::unique_lock lock(mutex_);
        auto result = function();
        lock.unlock();
        announcer_.tell();
        return result;
    }

public:
    SqliteDesk(std::unique_ptr<HoldStore> store, const Clock& clock) : store_(std::move(store)), clock_(clock) {}

    [[nodiscard]] Result<> load();

    Result<HoldStatus> request(const model::HoldRequest& request) override {
        return locked([&] { return request_locked(request); });
    }
    Result<bool> use(std::string_view id) override {
        return locked([&] { return use_locked(id); });
    }
    Result<HoldStatus> decide(std::string_view id, const Person& person, bool approves, std::string_view reason,
                              const Witness& witness) override {
        return locked([&] { return decide_locked(id, person, approves, reason, witness); });
    }
    Result<> cancel(std::string_view id) override {
        return locked([&] { return cancel_locked(id); });
    }
    void set_connected(std::string_view id, bool is_connected) override;
    std::vector<Hold> expire() override {
        return locked([&] { return expire_locked(); });
    }

    Result<std::vector<Hold>> unrecorded_ends() const override {
        const std::scoped_lock lock(mutex_);
        return store_->list(HoldStore::Which::unrecorded, limits::open_holds);
    }
    Result<> ends_recorded(const std::vector<std::string>& ids) override {
        const std::scoped_lock lock(mutex_);
        return store_->note_ends_recorded(ids);
    }
    Result<Hold> find(std::string_view id_or_prefix) const override;
    std::vector<Hold> list(bool only_waiting, std::size_t limit) const override;
    std::size_t waiting_count() const override;
    void on_change(std::function<void(const Hold&)> callback) override { announcer_.add(std::move(callback)); }

private:
    Result<HoldStatus> request_locked(const model::HoldRequest& request);
    Result<bool> use_locked(std::string_view id);
    Result<HoldStatus> decide_locked(std::string_view id, const Person& person, bool approves, std::string_view reason,
                                     const Witness& witness);
    Result<> cancel_locked(std::string_view id);
    std::vector<Hold> expire_locked();

    [[nodiscard]] Result<> check(const model::HoldRequest& request) const;
    [[nodiscard]] Result<std::string> free_id() const;
    [[nodiscard]] Result<HoldStatus> open_hold(const model::HoldRequest& request, const std::optional<Hold>& revoked);
    // Everything that ends a hold without a person, in a transaction of its own.
    [[nodiscard]] Result<> end(Hold& hold, HoldState state, std::string reason);
    [[nodiscard]] Result<> expire_one(Hold& hold);
    [[nodiscard]] bool is_past(const Open& open) const {
        return clock_.wall() >= open.deadline || clock_.now() >= open.until;
    }
    void keep(const Hold& hold);
    void changed(Hold hold);
    void mark(Hold& hold) const {
        const auto open = open_.find(hold.status.id);
        hold.is_agent_connected = open != open_.end() && open->second.connected > 0;
    }

    mutable std::mutex mutex_;
    std::unique_ptr<HoldStore> store_;
    const Clock& clock_;
    std::map<std::string, Open, std::less<>> open_;
    std::vector<Hold> expired_;  // since the last expire()
    Announcer announcer_;
};

Result<> SqliteDesk::load() {
    if (auto done = store_->forget_before(clock_.wall() - limits::ended_holds_kept); !done) return done;
    auto holds = store_->list(HoldStore::Which::open, limits::open_holds);
    if (!holds) return std::unexpected(std::move(holds.error()));
    for (const Hold& hold : *holds) keep(hold);
    return {};
}

void SqliteDesk::keep(const Hold& hold) {
    Open& open = open_[hold.status.id];
    open.state = hold.status.state;
    open.agent = hold.request.agent;
    open.deadline = hold.status.deadline;
    // No more than the whole deadline from now, whatever the wall clock was when the hold was opened.
    const auto left = std::chrono::duration_cast<Duration>(hold.status.deadline - clock_.wall());
    open.until = clock_.now() + std::clamp<Duration>(left, Duration::zero(), hold.request.deadline);
}

// After the database has it.
void SqliteDesk::changed(Hold hold) {
    const bool is_open = hold.status.state == HoldState::waiting || hold.status.state == HoldState::approved;
    const auto open = open_.find(hold.status.id);
    mark(hold);
    if (!is_open && open != open_.end()) open_.erase(open);
    if (is_open && open != open_.end()) open->second.state = hold.status.state;
    announcer_.put(std::move(hold));
}

Result<> SqliteDesk::end(Hold& hold, HoldState state, std::string reason) {
    hold.status.state = state;
    hold.status.reason = std::move(reason);
    hold.decided = clock_.wall();
    if (auto done = store_->update(hold); !done) return done;
    if (state == HoldState::expired) expired_.push_back(hold);
    changed(hold);
    return {};
}

Result<> SqliteDesk::check(const model::HoldRequest& request) const {
    if (request.approvals.empty()) return fail(Errc::invalid, "a hold needs an approval that somebody can give");
    if (request.deadline <= std::chrono::seconds::zero()) return fail(Errc::invalid, "a hold needs a deadline");
    if (shown_size(request) > limits::hold_shown_size) {
        return fail(Errc::limit,
                    "the command is too large to be shown whole to a reviewer, so it cannot be approved; split it");
    }
    if (open_.size() >= limits::open_holds)
        return fail(Errc::limit, "too many holds are open on this host; try again when some are decided");
    const auto of_agent =
        std::ranges::count_if(open_, [&](const auto& entry) { return entry.second.agent == request.agent; });
    if (static_cast<std::size_t>(of_agent) >= limits::open_holds_per_agent) {
        return fail(Errc::limit, "this agent has too many open holds (" + std::to_string(limits::open_holds_per_agent) +
                                     "); try again when some are decided");
    }
    return {};
}

Result<HoldStatus> SqliteDesk::request_locked(const model::HoldRequest& request) {
    auto latest = store_->latest_of(request.digest);
    if (!latest) return std::unexpected(std::move(latest.error()));
    std::optional<Hold> revoked;
    if (*latest) {
        Hold& hold = **latest;
        const auto open = open_.find(hold.status.id);
        if (open != open_.end() && is_past(open->second)) {
            if (auto done = expire_one(hold); !done) return std::unexpected(std::move(done.error()));
        } else if (open != open_.end() && covers(hold.request.approvals, request.approvals)) {
            return hold.status;
        } else if (open != open_.end()) {
            revoked = std::move(hold);
        } else if (hold.status.state == HoldState::denied && clock_.wall() < hold.status.deadline) {
            return hold.status;
        }
    }
    return open_hold(request, revoked);
}

Result<std::string> SqliteDesk::free_id() const {
    constexpr int tries = 100;
    for (int i = 0; i < tries; ++i) {
        std::string id = make_hold_id();
        auto taken = store_->find(id);
        if (!taken) return std::unexpected(std::move(taken.error()));
        if (!*taken) return id;
    }
    return fail(Errc::internal, "no free id for a hold");
}

Result<HoldStatus> SqliteDesk::open_hold(const model::HoldRequest& request, const std::optional<Hold>& revoked) {
    if (auto allowed = check(request); !allowed) return std::unexpected(std::move(allowed.error()));
    auto id = free_id();
    if (!id) return std::unexpected(std::move(id.error()));
    Hold hold;
    hold.request = request;
    hold.opened = clock_.wall();
    hold.status.id = std::move(*id);
    hold.status.deadline = hold.opened + request.deadline;

    auto transaction = store_->begin();
    if (!transaction) return std::unexpected(std::move(transaction.error()));
    Hold old = revoked.value_or(Hold{});
    if (revoked) {
        old.status.state = HoldState::revoked;
        old.status.reason = "the policy asks for other approvals now";
        old.decided = hold.opened;
        if (auto done = store_->update(old); !done) return std::unexpected(std::move(done.error()));
    }
    if (auto done = store_->insert(hold); !done) return std::unexpected(std::move(done.error()));
    if (auto done = (*transaction)->commit(); !done) return std::unexpected(std::move(done.error()));
    if (revoked) changed(std::move(old));
    keep(hold);
    changed(hold);
    HoldStatus status = hold.status;
    status.is_new = true;
    return status;
}

Result<bool> SqliteDesk::use_locked(std::string_view id) {
    const auto open = open_.find(id);
    if (open == open_.end() || open->second.state != HoldState::approved) return false;
    auto hold = store_->find(id);
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (!*hold) return false;
    if (is_past(open->second)) {
        if (auto done = expire_one(**hold); !done) {
            return std::unexpected(std::move(done.error()));
        }
        return false;
    }
    // decided stays: who approved it, and when.
    (*hold)->status.state = HoldState::used;
    if (auto done = store_->update(**hold); !done) return std::unexpected(std::move(done.error()));
    changed(std::move(**hold));
    return true;
}

Result<HoldStatus> SqliteDesk::decide_locked(std::string_view id, const Person& person, bool approves,
                                             std::string_view reason, const Witness& witness) {
    auto found = store_->find(id);
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) return unknown(id);
    Hold& hold = **found;
    if (hold.status.state != HoldState::waiting) return not_waiting(hold);
    const auto open = open_.find(id);
    if (open == open_.end()) return fail(Errc::internal, "hold " + std::string(id) + " waits in the database only");
    if (is_past(open->second)) {
        if (auto done = expire_one(hold); !done) return std::unexpected(std::move(done.error()));
        return not_waiting(hold);
    }
    if (reason.size() > limits::hold_reason) return fail(Errc::limit, "the reason is too long");
    auto mine = approvals_of(hold, person);
    if (!mine) return std::unexpected(std::move(mine.error()));
    if (approves) {
        const auto outstanding = outstanding_of(hold);
        std::erase_if(*mine, [&](const auto& name) { return std::ranges::find(outstanding, name) == outstanding.end(); });
        if (mine->empty()) {
            return fail(Errc::denied, "what you can approve of hold " + hold.status.id +
                                          " is approved; it still waits for: " + listed(outstanding));
        }
    }

    const std::size_t acts_before = hold.acts.size();
    for (const auto& name : *mine) {
        hold.acts.push_back({name, approves, person.name, person.uid, person.login_uid,
                             hold.request.runner_uid &&
                                 (*hold.request.runner_uid == person.login_uid || *hold.request.runner_uid == person.uid),
                             std::string(reason), clock_.wall()});
        if (approves) hold.approved.push_back(name);
    }
    if (!approves || outstanding_of(hold).empty()) {
        std::vector<std::string> people;
        for (const Act& act : hold.acts) {
            if (act.approves == approves && std::ranges::find(people, act.person) == people.end())
                people.push_back(act.person);
        }
        hold.status.state = approves ? HoldState::approved : HoldState::denied;
        hold.status.decided_by = listed(people);
        hold.status.reason = reason;
        hold.decided = clock_.wall();
    }

    auto transaction = store_->begin();
    if (!transaction) return std::unexpected(std::move(transaction.error()));
    for (std::size_t i = acts_before; i < hold.acts.size(); ++i) {
        if (auto done = store_->add_act(id, hold.acts[i]); !done) return std::unexpected(std::move(done.error()));
    }
    if (auto done = store_->update(hold); !done) return std::unexpected(std::move(done.error()));
    mark(hold);
    if (witness) {
        if (auto seen = witness(hold); !seen) return std::unexpected(std::move(seen.error()));
    }
    if (auto done = (*transaction)->commit(); !done) return std::unexpected(std::move(done.error()));
    changed(hold);
    return hold.status;
}

Result<> SqliteDesk::cancel_locked(std::string_view id) {
    const auto open = open_.find(id);
    if (open != open_.end() && open->second.connected > 0) return {};
    auto hold = store_->find(id);
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (!*hold) return unknown(id);
    if (open == open_.end()) return {};
    return end(**hold, HoldState::cancelled, "the agent took the command back");
}

void SqliteDesk::set_connected(std::string_view id, bool is_connected) {
    const std::scoped_lock lock(mutex_);
    const auto open = open_.find(id);
    if (open == open_.end()) return;
    std::size_t& count = open->second.connected;
    if (is_connected) {
        ++count;
    } else if (count > 0) {
        --count;
    }
}

std::vector<Hold> SqliteDesk::expire_locked() {
    std::vector<std::string> due;
    for (const auto& [id, open] : open_) {
        if (is_past(open)) due.push_back(id);
    }
    for (const auto& id : due) {
        // What the database cannot take now stays open here and is tried again; nothing that is past its deadline is used.
        auto hold = store_->find(id);
        if (hold && *hold) static_cast<void>(expire_one(**hold).has_value());
    }
    return std::exchange(expired_, {});
}

Result<> SqliteDesk::expire_one(Hold& hold) {
    const bool was_approved = hold.status.state == HoldState::approved;
    return end(hold, HoldState::expired,
               was_approved ? "approved, but not used before the deadline" : "nobody answered before the deadline");
}

Result<Hold> SqliteDesk::find(std::string_view id_or_prefix) const {
    const auto id = normal_hold_id(id_or_prefix);
    if (!id) return unknown(id_or_prefix);
    const std::scoped_lock lock(mutex_);
    auto ids = store_->ids_beginning(*id);
    if (!ids) return std::unexpected(std::move(ids.error()));
    if (ids->empty()) return unknown(id_or_prefix);
    if (ids->size() > 1) return fail(Errc::invalid, "several holds begin with " + *id + "; write more of the id");
    auto hold = store_->find(ids->front());
    if (!hold) return std::unexpected(std::move(hold.error()));
    if (!*hold) return unknown(id_or_prefix);
    mark(**hold);
    return std::move(**hold);
}

std::vector<Hold> SqliteDesk::list(bool only_waiting, std::size_t limit) const {
    const std::scoped_lock lock(mutex_);
    auto holds = store_->list(only_waiting ? HoldStore::Which::waiting : HoldStore::Which::all, limit);
    if (!holds) return {};
    for (Hold& hold : *holds) mark(hold);
    return std::move(*holds);
}

std::size_t SqliteDesk::waiting_count() const {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(open_, [](const auto& entry) { return entry.second.state == HoldState::waiting; }));
}

}  // namespace

Result<std::unique_ptr<Desk>> Desk::open(const std::filesystem::path& file, const Clock& clock) {
    auto store = HoldStore::open(file);
    if (!store) return std::unexpected(std::move(store.error()));
    auto desk = std::make_unique<SqliteDesk>(std::move(*store), clock);
    if (auto loaded = desk->load(); !loaded) return std::unexpected(std::move(loaded.error()));
    return desk;
}

}  // namespace assent::approve

// The one implementation of Desk: sqlite_desk.cc opens and ends holds, desk_answers.cc takes answers, desk_grants.cc has
// what goes beyond one command. Private to approve/.
#pragma once

#include <mutex>

#include "approve/announcer.h"
#include "approve/desk.h"
#include "approve/grant_store.h"
#include "approve/hold_store.h"
#include "approve/open_holds.h"
#include "approve/reviewers.h"

namespace assent::approve {

[[nodiscard]] std::unexpected<Error> unknown_hold(std::string_view id);
[[nodiscard]] std::unexpected<Error> not_waiting(const Hold& hold);
[[nodiscard]] std::string listed(const std::vector<std::string>& words);

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
    SqliteDesk(std::unique_ptr<HoldStore> store, const Clock& clock, const DeskOptions& options)
        : store_(std::move(store)), grant_store_(store_->database()), clock_(clock), options_(options), open_(clock) {}

    [[nodiscard]] Result<> load();

    Result<model::HoldStatus> request(const model::HoldRequest& request) override {
        return locked([&] { return request_locked(request); });
    }
    Result<bool> use(std::string_view id) override {
        return locked([&] { return use_locked(id); });
    }
    Result<Decision> answer(std::string_view id, const Person& person, const Answer& answer,
                            const Witness& witness) override {
        return locked([&] { return answer_locked(id, person, answer, witness); });
    }
    Result<std::vector<std::string>> would_release(std::string_view id) const override;
    Result<> cancel(std::string_view id) override {
        return locked([&] { return cancel_locked(id); });
    }
    void set_connected(std::string_view id, bool is_connected) override;
    std::vector<Hold> expire() override {
        return locked([&] { return expire_locked(); });
    }
    std::vector<Hold> escalate() override {
        return locked([&] { return escalate_locked(); });
    }

    std::vector<Grant> grants(bool only_live) const override;
    Result<Grant> find_grant(std::string_view id_or_prefix) const override;
    Result<Grant> revoke(std::string_view id, const std::string& by, const std::string& reason,
                         const GrantWitness& witness) override {
        return locked([&] { return revoke_locked(id, by, reason, witness); });
    }
    Result<Grant> review(std::string_view id, const Person& person, const std::string& text,
                         const GrantWitness& witness) override;

    std::vector<Suspension> suspensions() const override;
    Result<> suspend(const Suspension& suspension) override {
        const std::scoped_lock lock(mutex_);
        return grant_store_.suspend(suspension);
    }
    Result<> resume(const std::string& agent) override {
        const std::scoped_lock lock(mutex_);
        return grant_store_.resume(agent);
    }
    Result<std::vector<LimitCount>> limit_counts() const override {
        const std::scoped_lock lock(mutex_);
        return grant_store_.counts();
    }
    Result<> save_limit_counts(const std::vector<LimitCount>& counts) override;

    Result<std::vector<Hold>> unrecorded_ends() const override;
    Result<> ends_recorded(const std::vector<std::string>& ids) override {
        const std::scoped_lock lock(mutex_);
        if (auto noted = store_->note_ends_recorded(ids); !noted) return noted;
        return trim();
    }
    Result<Hold> find(std::string_view id_or_prefix) const override;
    std::vector<std::string> ids(bool only_waiting, std::size_t limit) const override;
    std::vector<Hold> list(bool only_waiting, std::size_t limit) const override;
    std::size_t waiting_count() const override {
        const std::scoped_lock lock(mutex_);
        return open_.waiting_count();
    }
    void on_change(std::function<void(const Hold&)> callback) override { announcer_.add(std::move(callback)); }

private:
    // sqlite_desk.cc
    Result<model::HoldStatus> request_locked(const model::HoldRequest& request);
    Result<bool> use_locked(std::string_view id);
    Result<> cancel_locked(std::string_view id);
    std::vector<Hold> expire_locked();
    std::vector<Hold> escalate_locked();
    [[nodiscard]] Result<> check(const model::HoldRequest& request, std::size_t size) const;
    [[nodiscard]] Result<std::string> free_id() const;
    [[nodiscard]] Result<model::HoldStatus> open_hold(const model::HoldRequest& request, const std::optional<Hold>& revoked);
    // Everything that ends a hold without a person, in a transaction of its own.
    [[nodiscard]] Result<> end(Hold& hold, model::HoldState state, std::string reason);
    [[nodiscard]] Result<> expire_one(Hold& hold);
    // What of the hold is due to be escalated, if anything is.
    [[nodiscard]] Result<> escalate_one(Hold& hold);
    // After the database has it.
    void changed(Hold hold);
    // Forgets the oldest of what has ended where an agent, or all of them, have left too much.
    [[nodiscard]] Result<> trim();
    void mark(Hold& hold) const;

    // desk_answers.cc
    Result<Decision> answer_locked(std::string_view id, const Person& person, const Answer& answer, const Witness& witness);
    [[nodiscard]] Result<Hold> find_waiting(std::string_view id);
    void settle(Hold& hold, bool approves, const std::string& reason) const;
    [[nodiscard]] Result<> store_answer(Decision& decision, std::vector<Hold>& released, const Witness& witness);

    // desk_grants.cc
    // The grant that an answer makes, if it makes one; and the holds that it releases, as they will be.
    [[nodiscard]] Result<std::optional<Grant>> grant_of(const Hold& hold) const;
    [[nodiscard]] Result<std::vector<Hold>> released_by(const Grant& grant) const;
    [[nodiscard]] const Grant* grant_for(const model::HoldRequest& request) const;
    [[nodiscard]] Result<bool> use_grant(std::string_view id);
    void keep_grant(Grant grant);
    // Neither revoked nor over; live: and lets something more through.
    [[nodiscard]] bool is_in_force(const Grant& grant, Moment until) const;
    [[nodiscard]] bool is_live(const Grant& grant, Moment until) const;
    Result<Grant> revoke_locked(std::string_view id, const std::string& by, const std::string& reason,
                                const GrantWitness& witness);
    [[nodiscard]] Result<std::string> full_grant_id(std::string_view typed) const;

    struct KeptGrant {
        Grant grant;
        Moment until;
        bool is_used_stored = true;
    };

    mutable std::mutex mutex_;
    std::unique_ptr<HoldStore> store_;
    GrantStore grant_store_;
    const Clock& clock_;
    DeskOptions options_;
    OpenHolds open_;
    std::map<std::string, KeptGrant, std::less<>> grants_;  // those in force, those to be reviewed, and the latest others
    std::map<std::string, std::uint64_t> ended_sizes_;      // bytes of what has ended, by agent
    std::uint64_t ended_size_ = 0;
    std::vector<Hold> expired_;    // since the last expire()
    std::vector<Hold> escalated_;  // since the last escalate()
    Announcer announcer_;
};

}  // namespace assent::approve

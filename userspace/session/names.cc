// Whether the names that were learned still mean what they did: this session's commands change them, and other sessions do.
#include "session/session_impl.h"

namespace assent::session {

void SessionImpl::heed_other_sessions(const wire::CommandSeen& command, bool is_first_question) {
    constexpr unsigned most = 8;
    const bool are_changing = ports_.others_change_names();  // before the generation, which moves before this ends
    const std::uint64_t generation = ports_.names_generation();
    const bool have_changed = names_generation_ != generation;
    names_generation_ = generation;
    const bool may_be_in_transaction = command.transaction_status != 'I' || has_stepped_ || command.is_in_batch;
    if ((are_changing || have_changed) && may_be_in_transaction) has_old_snapshot_ = true;
    if (have_changed || (are_changing && is_first_question)) judge_.forget_names();
    if (!have_changed || pending_->asked == 0) return;
    if (pending_->begun_anew < most) {
        ++pending_->begun_anew;
        pending_->asked = 0;
    } else {
        pending_->names_keep_changing = true;
    }
}

// What is asked from here on is answered behind it. The end of a transaction takes changes of names back.
void SessionImpl::heed_changes(const Judged& judged) {
    const bool changes_names = judged.analysis.may_change_names;
    if (changes_names) {
        has_changed_names_ = true;
        judge_.transaction_changed_names(true);
    }
    if (changes_names || (judged.has_transaction_step && has_changed_names_)) judge_.forget_names();
    if (judged.has_transaction_step) has_stepped_ = true;
}

bool SessionImpl::announce_changes(const Judged& judged) {
    if (judged.changes_shared_names) has_changed_shared_names_ = true;
    // Any command may be the one with which the transaction ends, and they become so for others.
    if (!has_changed_shared_names_) return false;
    is_changing_shared_names_ = true;
    ports_.names_are_changing();
    return true;
}

void SessionImpl::announce_end_of_changes() {
    const bool are_changing = running_.any([](const Running& one) { return one.may_change_shared_names; });
    if (!is_changing_shared_names_ || are_changing) return;
    is_changing_shared_names_ = false;
    // Also inside a transaction: a text may have ended one and begun another.
    const std::uint64_t generation = ports_.names_have_changed();
    if (names_generation_ + 1 == generation) names_generation_ = generation;
}

// What counts for the transaction of the commands that were sent behind the end of the last one.
void SessionImpl::begin_transaction_anew() {
    has_written_ = has_changed_names_ = has_changed_shared_names_ = false;
    running_.each([this](Running& one) {
        one.may_change_shared_names = false;
        if (one.judged == nullptr || one.is_refused || one.kind == wire::CommandKind::parse) return;
        has_written_ = has_written_ || one.judged->analysis.writes;
        has_changed_names_ = has_changed_names_ || one.judged->analysis.may_change_names;
        has_changed_shared_names_ = has_changed_shared_names_ || one.judged->changes_shared_names;
        one.may_change_shared_names = has_changed_shared_names_;
    });
    judge_.transaction_changed_names(has_changed_names_);
    if (running_.size() == 0) has_old_snapshot_ = false;
}

}  // namespace assent::session

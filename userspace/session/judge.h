// Judges SQL for one session: text and catalog to effects, effects and policy to a verdict, with the masks of the result.
// Keeps what it judged until the policy, the names or the prepared statements change.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "model/verdict.h"
#include "policy/policy.h"
#include "session/cache.h"
#include "session/statements.h"
#include "sql/analyse.h"
#include "wire/adapter.h"

namespace assent::session {

// One text, or all that share its tree, under one policy and one state of the names. Immutable, shared with what runs it.
struct Judged {
    std::shared_ptr<const sql::Parsed> first;  // the text it was made for; null: not SQL. Others may share it.
    sql::Analysis analysis;
    model::Verdict verdict;
    std::shared_ptr<const std::vector<model::ResultMasks>> masks;  // null: nothing is masked
    std::shared_ptr<const std::vector<model::CopyLayout>> copies;  // where rows of a COPY are masked; one a statement
    std::string record;           // JSON members of its record: verdict, effects, masks, policy
    bool is_plain_write = false;  // a ROLLBACK undoes all of it
    bool has_transaction_step = false;
    bool changes_shared_names = false;  // for other sessions too
    bool uses_cursors = false;          // depends on which cursors are open: never kept
    std::uint64_t scope_count = 0;      // of the Judge, when it was judged
    std::uint64_t analysis_generation = 0;
};

class Judge {
public:
    Judge(std::shared_ptr<Cache> cache, const Clock& clock);

    void use(std::shared_ptr<const policy::Policy> policy, std::unique_ptr<const policy::Scope> scope);
    [[nodiscard]] const policy::Policy& policy() const { return *policy_; }
    [[nodiscard]] const policy::Scope& scope() const { return *scope_; }
    [[nodiscard]] bool is_ready() const { return scope_ != nullptr; }

    [[nodiscard]] std::shared_ptr<const sql::Parsed> parse(std::string_view text, bool is_run_at_once) {
        return is_run_at_once ? cache_->parse_by_shape(text) : cache_->parse(text);
    }

    // What must be asked of the server before this can be judged; nothing when all names are known.
    [[nodiscard]] std::optional<sql::Question> question(const sql::Parsed& parsed);
    [[nodiscard]] Result<> learn(const std::vector<sql::Row>& rows);

    [[nodiscard]] std::shared_ptr<const Judged> judge(const std::shared_ptr<const sql::Parsed>& parsed,
                                                      std::span<const wire::Parameter> parameters, bool has_known_lexing);
    // Of what was judged before and still runs (a portal, a cursor): empty when the policy in force is no stricter, else why
    // it may not go on. Its names are not asked for again, since they may mean something else by now. `text` is its own: a
    // Judged may be shared by several.
    [[nodiscard]] std::string stricter_now(const Judged& opened, std::string_view text) const;
    // The same of a portal or cursor by its name, also when none of that name is known.
    [[nodiscard]] std::string stricter_now(std::string_view cursor) const;
    // For commands that are not SQL: start-up, FunctionCall.
    [[nodiscard]] std::shared_ptr<const Judged> judge_effects(std::vector<model::Effect> effects, std::string_view text,
                                                              bool may_change_names);

    // The same, with another verdict, which its record says.
    [[nodiscard]] std::shared_ptr<const Judged> overruled(const Judged& judged, model::Verdict verdict) const;

    [[nodiscard]] Statements& statements() { return statements_; }
    void statements_changed() { judged_.clear(); }
    // Names may mean something else from here on.
    void forget_names();
    // The same when they were learned long ago, or are too many; before a command, not between the questions for it.
    void forget_old_names();
    // Has the open transaction changed what names mean: a text that ends it is judged accordingly.
    void transaction_changed_names(bool has_changed);
    void transaction_ended();
    [[nodiscard]] const sql::Catalog& catalog() const { return catalog_; }

private:
    [[nodiscard]] std::shared_ptr<const Judged> make(const std::shared_ptr<const sql::Parsed>& parsed,
                                                     std::span<const wire::Parameter> parameters,
                                                     bool has_known_lexing) const;
    void finish(Judged& judged, std::string_view text) const;
    void write_record(Judged& judged) const;

    std::shared_ptr<Cache> cache_;
    const Clock& clock_;
    std::shared_ptr<const policy::Policy> policy_;
    std::unique_ptr<const policy::Scope> scope_;
    sql::Catalog catalog_;
    Moment learned_at_{};
    bool transaction_changed_names_ = false;
    bool transaction_saw_reload_ = false;
    std::uint64_t scope_count_ = 0;          // scopes that were used: of each policy, and of each token of the agent
    std::uint64_t analysis_generation_ = 0;  // counts reloads that changed masks or harmless functions
    Statements statements_;
    std::unordered_map<const void*, std::shared_ptr<const Judged>> judged_;  // by key_of(); each Judged keeps its key alive
};

}  // namespace assent::session

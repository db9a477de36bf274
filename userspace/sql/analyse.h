// What a parsed text would do to a database whose names are known: effects, what changes in the session, and where masked
// columns flow. Pure: the same inputs give the same answer. It never under-states: what it does not know is `unknown`.
//
// What the caller does:
// - runs parse() and analyse() on a thread with limits::parser_stack_size of stack;
// - before analyse(), asks the server (Catalog::question, learn) for the names of the text, and for those of each statement
//   in `prepared` that it executes; a name that is not known is unresolved, which no allow rule covers. After a statement
//   that may change what names mean (SET search_path, DDL, functions) the later ones of the same text are not what was
//   asked: unresolved, or where a schema is written the name alone is sure;
// - after a command with `may_change_names` succeeds or fails, and again at the end of the transaction it was in, forgets
//   the catalog, and analyses later commands anew;
// - keeps the masks of `declares` for Environment::cursor until the cursor is closed, and the text of `prepares`;
// - analyses anew when parameters are bound to a statement that writes a masked relation (mask_denial depends on them);
// - where strips_error_detail, also hides the server's message: "invalid input syntax for type integer" quotes the value.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/copy.h"
#include "model/effect.h"
#include "model/mask.h"
#include "sql/catalog.h"
#include "sql/parse.h"

namespace assent::sql {

// How one masked column is to be treated.
struct MaskedColumn {
    std::string mask;  // its name
    model::MaskMethod method;
    bool denies_unproven = false;
};

// Which columns are masked for this session; implemented by policy/.
class MaskLookup {
public:
    virtual ~MaskLookup() = default;
    // The strongest first; empty when the column is not masked.
    [[nodiscard]] virtual std::vector<MaskedColumn> masks_of(std::string_view schema, std::string_view relation,
                                                             std::string_view column) const = 0;
    // May any column of the relation be masked (its columns need not be known).
    [[nodiscard]] virtual bool may_mask(std::string_view schema, std::string_view relation) const = 0;
};

enum class TransactionStep : std::uint8_t { none = 0, begin, commit, rollback, savepoint, rollback_to, prepare };

struct StatementFacts {
    TransactionStep transaction = TransactionStep::none;
    bool returns_rows = false;
    model::CopyLayout copy;  // COPY TO STDOUT; `other` with masks is a mask_denial
    model::ResultMasks masks;
    std::string prepares;                    // PREPARE: the name it makes
    std::string executes;                    // EXECUTE: the name it runs
    std::string deallocates;                 // DEALLOCATE: the name, "*" for ALL and DISCARD ALL
    std::string declares;                    // DECLARE: the cursor; its `masks` are those that FETCH will need
    std::string fetches;                     // FETCH, MOVE
    std::string closes;                      // CLOSE: the cursor, "*" for ALL
    std::shared_ptr<const Parsed> prepared;  // PREPARE: the statement inside, as a text of its own

    bool operator==(const StatementFacts&) const = default;
};

struct Analysis {
    std::vector<model::Effect> effects;
    std::vector<StatementFacts> statements;
    std::vector<std::string> functions;  // every function called: "schema.name", or "name" where the schema is not known
    std::vector<std::string> executed;   // EXECUTE, also within EXPLAIN: the texts that its names stand for
    std::vector<std::string> masks;      // names of masks that touch a result
    // Why the command is denied by a mask: a masked column flows into a write, a setting, a filter, an unlisted function,
    // or `unproven: deny`. Empty when it is not.
    std::string mask_denial;
    std::vector<std::string> mask_denial_masks;
    bool may_change_names = false;  // search_path, role, DDL, unlisted functions: the catalog must be asked again
    bool writes = false;            // any effect but read, transaction, session, lock
    bool is_transaction_control_only = false;
    bool has_unresolved_names = false;
    bool commits_prepared = false;      // COMMIT PREPARED: what it changes is not in the text
    bool uses_cursor_row = false;       // WHERE CURRENT OF: which row is not in the text
    bool depends_on_constants = false;  // a text that differs in its constants may have another analysis

    bool operator==(const Analysis&) const = default;
};

struct Environment {
    const Catalog* catalog = nullptr;
    const MaskLookup* masks = nullptr;                                                    // null: nothing is masked
    std::function<bool(std::string_view schema, std::string_view function)> is_harmless;  // harmless_functions of the policy
    // Statements by name, made by PREPARE or by a Parse message; null when there is none of that name.
    std::function<std::shared_ptr<const Parsed>(std::string_view name)> prepared;
    // Masks of the cursors and portals by name; nothing when there is none.
    std::function<std::optional<model::ResultMasks>(std::string_view name)> cursor;
    // What a cursor runs when rows are fetched from it may change what names mean.
    std::function<bool(std::string_view name)> cursor_may_change_names;
    // The open transaction has changed what names mean: where it ends inside the text, they may mean what they did before.
    bool transaction_changed_names = false;
    bool has_conforming_strings = true;  // standard_conforming_strings; off: everything is `unknown`
    // Bound values, text where the format is text; for "writing a mask's output back". May be empty.
    std::vector<std::optional<std::string>> parameters;
};

[[nodiscard]] Analysis analyse(const Parsed& parsed, const Environment& environment);

// Effects of start-up options and of SET-like requests outside SQL: `session` on setting.NAME.
[[nodiscard]] model::Effect setting_effect(std::string_view name);

// The effects of a FunctionCall message: `execute` on the function's oid as "function.OID", unknown if 0.
[[nodiscard]] std::vector<model::Effect> function_call_effects(std::uint32_t oid);

}  // namespace assent::sql

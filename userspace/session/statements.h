// The names that a session gives to statements and cursors. PREPARE and the Parse message share one namespace on the server,
// DECLARE and Bind another; a name is known here only when the server has confirmed it, so that what is judged under a name
// is what the server will run under it. Names whose state is not certain have no statement, and what runs them is denied.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/mask.h"
#include "sql/analyse.h"
#include "wire/adapter.h"

namespace assent::session {

struct Judged;

// A portal: bound through the protocol, or declared in SQL. What it gives was decided when it was opened.
struct Cursor {
    model::ResultMasks masks;
    std::shared_ptr<const Judged> opened_by;  // of the whole text; null in tests only
};

class Statements {
public:
    // A Parse message is on its way to the server.
    void parsing(wire::CommandId id, std::string_view name, std::shared_ptr<const sql::Parsed> parsed);
    // True: a named statement has changed, so what EXECUTE would run has.
    bool parse_finished(wire::CommandId id, bool is_error);

    // What a Bind to this name would run if it runs at all; null: unknown or uncertain.
    [[nodiscard]] std::shared_ptr<const sql::Parsed> find(std::string_view name) const;

    // A text is on its way: what it declares is uncertain until it has ended.
    void running(const sql::Analysis& analysis);
    // A text whose statements make or drop names has ended. On an error which of them took effect is not known.
    void apply(const sql::Analysis& analysis, bool is_error, const std::shared_ptr<const Judged>& judged = nullptr);

    void statement_closed(std::string_view name);
    void portal_bound(std::string_view name, const model::ResultMasks& masks,
                      const std::shared_ptr<const Judged>& judged = nullptr);
    void portal_closed(std::string_view name);
    // Null: there is none, or it is not certain which one the name means.
    [[nodiscard]] const Cursor* cursor(std::string_view name) const;

private:
    struct Parsing {
        wire::CommandId id = 0;
        std::string name;
        std::shared_ptr<const sql::Parsed> parsed;
    };
    void drop_statements(const std::string& name);
    void check_size();

    std::map<std::string, std::shared_ptr<const sql::Parsed>, std::less<>> statements_;  // null: uncertain
    std::map<std::string, std::optional<Cursor>, std::less<>> cursors_;                  // nothing: uncertain
    std::vector<Parsing> parsing_;
    bool is_overfull_ = false;
};

}  // namespace assent::session

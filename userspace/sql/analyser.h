// Walks one parsed text once and gathers its effects and where masked columns flow. Private to sql/; spread over several
// files, one for each kind of thing in the tree:
//   analyse.cc     what comes in and out            names.cc       relations, functions and columns by name
//   query.cc       SELECT, WITH, set operations     from.cc        FROM
//   expression.cc  expressions                      call.cc        function calls
//   modify.cc      INSERT, UPDATE, DELETE, MERGE    statement.cc   the table of statements
//   session.cc     settings, cursors, transactions  transfer.cc    COPY, EXPLAIN, PREPARE
//   definition.cc  relations made and altered       object.cc      other things, rights, what is outside
//   guarded.cc     what fails by a value            may_fail.cc    what can
//   name_change.cc what statements do to the names of later ones
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sql/analyse.h"
#include "sql/flow.h"
#include "sql/tree.h"

namespace assent::sql {

// Fills the names that `parsed` mentions by walking it with a catalog that knows nothing.
void collect_names(Parsed& parsed);

// A relation as the catalog knows it. Unresolved: `relation` is null and the object keeps what was written.
struct ResolvedRelation {
    model::Object object;
    std::string schema;
    std::string name;
    const Relation* relation = nullptr;
    bool is_assumed = false;  // nothing but the name is known, and its columns' names stand for themselves
};

// What a statement may have made to mean something else.
struct NameChange {
    bool path = false;       // search_path or role: names without a schema, and where CREATE goes
    bool relations = false;  // which there are, their columns, what views lead to
    bool functions = false;
    bool views = false;                        // besides: any relation may be a view of others, or have rules
    std::vector<std::string> made_views = {};  // or those of these names
    [[nodiscard]] bool is_any() const noexcept { return path || relations || functions || views; }
    void add(const NameChange& other);
};

inline const NameChange everything_changed = {.path = true, .relations = true, .functions = true, .views = true};

// While it lives, what is read is kept and run at another time.
class Later {
public:
    explicit Later(bool& runs_later) : runs_later_(runs_later), before_(std::exchange(runs_later, true)) {}
    ~Later() { runs_later_ = before_; }
    Later(const Later&) = delete;
    Later& operator=(const Later&) = delete;

private:
    bool& runs_later_;
    const bool before_;
};

struct CteFrame {
    enum class State : std::uint8_t { waiting, under_way, ready };
    struct Entry {
        std::string name;
        Node node;  // bare CommonTableExpr
        Columns columns;
        State state = State::waiting;
        bool refers_to_itself = false;
    };
    std::vector<Entry> entries;
    bool is_recursive = false;
    CteFrame* parent = nullptr;
    struct Scope* outer = nullptr;
};

struct Scope {
    From from;
    Scope* outer = nullptr;
    CteFrame* ctes = nullptr;
    bool is_used = false;  // a column of it was named since this was last cleared
};

class Analyser {
public:
    explicit Analyser(const Environment& environment, Parsed* collector = nullptr)
        : environment_(environment), collector_(collector), parameters_(environment.parameters) {}
    [[nodiscard]] Analysis run(const Parsed& parsed);

private:
    using Operation = model::Operation;
    using Where = model::WhereClause;
    using Handler = void (Analyser::*)(Node);
    using Expression = Flow (Analyser::*)(Node, Scope&);
    static const std::unordered_map<std::string_view, Handler> statement_table;
    static const std::unordered_map<std::string_view, Expression> expression_table;

    // analyse.cc
    void run_statements(const Parsed& parsed);
    void fail_whole(const Parsed& parsed, std::string_view why);
    void effect(Operation operation, const model::Object& object, Where where = Where::not_applicable);
    void effect(Operation operation);  // without objects
    void unknown(std::string_view what);
    void deny(const Flow& flow, std::string_view how);
    void deny_writing(const Flow& flow) { deny(flow, "flows into a write"); }
    void deny_filter(const Flow& flow) { deny(flow, "flows into a filter or ordering"); }
    void result(const Columns& columns);  // the rows of the statement
    void result_unknown();                // rows of which nothing is known
    void finish();
    // Every look at what a constant of a SELECT, INSERT, UPDATE or DELETE says goes through here: what follows from it holds
    // for this text only.
    [[nodiscard]] Node read_constant(Node wrapped);
    bool spend();  // false when the work of this analysis is used up
    // As EXPLAIN does it: relations are only read; what planning may run stays.
    void explain_effects(std::size_t first);

    // names.cc
    [[nodiscard]] ResolvedRelation resolve(const Name& name);
    [[nodiscard]] ResolvedRelation resolve(Node range_var);
    // A write to a view is one to everything that it shows: which of them it changes is the server's to say. What rules do
    // may be any write to what they name.
    void write_effect(Operation operation, const ResolvedRelation& target, Where where = Where::not_applicable);
    [[nodiscard]] model::Object created(Node range_var);
    [[nodiscard]] model::Object created(const Name& name);
    [[nodiscard]] Flow mask_of(const ResolvedRelation& relation, std::string_view column);
    [[nodiscard]] Flow mask_of_name(std::string_view schema, std::string_view relation, std::string_view column) const;
    [[nodiscard]] Columns columns_of(const ResolvedRelation& relation);
    [[nodiscard]] Flow reached_masks(const Relation& relation) const;
    [[nodiscard]] Flow unknown_flow() const;
    [[nodiscard]] bool is_masked(const ResolvedRelation& relation);
    Flow column(Node column_ref, Scope& scope);
    Flow unqualified_column(std::string_view name, Scope& scope);
    Flow qualified_column(const std::vector<std::string_view>& parts, Scope& scope);
    std::uint32_t type_of(Node wrapped, Scope& scope);
    std::uint32_t type_of_column(Node column_ref, Scope& scope);
    const Source* source_named(const std::vector<std::string_view>& parts, Scope& scope);
    Columns star(Node column_ref, Scope& scope);
    [[nodiscard]] Flow unlisted_column(const From& from, std::string_view name) const;
    Flow field_call(std::string_view name, const Flow& argument);
    [[nodiscard]] bool gives_one_column(Node range_function) const;
    [[nodiscard]] bool is_callable(const Name& field) const;
    [[nodiscard]] CteFrame::Entry* cte(std::string_view name, Scope& scope);
    Columns cte_columns(CteFrame& frame, CteFrame::Entry& entry);

    // name_change.cc
    void note_change(Node wrapped);  // after a statement
    [[nodiscard]] bool is_stale(const Name& relation) const;
    // A statement before may have made it a view, or changed what it leads to.
    [[nodiscard]] bool may_lead_elsewhere(std::string_view name, const Relation* known) const;
    [[nodiscard]] bool is_stale_function(const Name& function) const;
    // Where a function name may lead; empty also where that is not known any more.
    [[nodiscard]] std::vector<std::string> function_schemas(const Name& name) const;

    // query.cc
    Columns query(Node wrapped, Scope* outer, CteFrame* ctes);
    Columns select(Node body, Scope* outer, CteFrame* ctes);
    Columns plain_select(Node body, Scope& scope);
    Columns values(Node body, Scope& scope);
    Columns set_operation(Node body, Scope& scope);
    Columns targets(simdjson::dom::array list, Scope& scope);
    void follow_recursion(CteFrame& frame, CteFrame::Entry& entry, Columns& columns);
    void with(Node body, Scope& scope, CteFrame& frame);
    // Begins a query: its place among others, and its WITH. False: too much work.
    bool enter(Node body, Scope& scope, CteFrame& frame, Scope* outer, CteFrame* ctes);
    void grouping(Node body, const Columns& output, Scope& scope);
    void ordering(simdjson::dom::array sort_clause, const Columns& output, Scope& scope);
    Flow sort_key(Node key, const Columns& output, Scope& scope);
    void limits_of(Node body, Scope& scope);
    void locking(Node body, const Scope& scope);
    void into(Node into_clause, const Columns& columns);

    // from.cc
    void from_items(simdjson::dom::array items, Scope& scope);
    From from_item(Node wrapped, Scope& scope);
    From relation_item(Node range_var, Scope& scope);
    From join_item(Node body, Scope& scope);
    From subselect_item(Node body, Scope& scope);
    From function_item(Node body, Scope& scope);
    From table_function_item(Node body, Scope& scope);
    Source target_source(Node range_var, const ResolvedRelation& relation);

    // expression.cc
    Flow expression(Node wrapped, Scope& scope);
    Flow expressions(simdjson::dom::array list, Scope& scope);
    Flow children(Node value, Scope& scope);
    Flow sublink(Node body, Scope& scope);
    Flow constant(Node, Scope&);
    Flow type_cast(Node body, Scope& scope);
    Flow indirection(Node body, Scope& scope);
    Flow multi_assign(Node body, Scope& scope);
    Flow row(Node body, Scope& scope);
    Flow window(Node body, Scope& scope);
    Flow column_expression(Node body, Scope& scope) { return column(body, scope); }
    Flow list_expression(Node body, Scope& scope);
    Flow res_target(Node body, Scope& scope);
    Flow json_query(Node body, Scope& scope);
    Flow json_aggregate(Node body, Scope& scope);
    void filter(Node wrapped, Scope& scope);

    // guarded.cc
    void operator_effects(simdjson::dom::array list);
    bool is_small_constant(Node wrapped);
    Flow operation(Node body, Scope& scope);
    Flow choice(Node body, Scope& scope);
    Flow xml(Node body, Scope& scope);
    Flow parsed_json(Node body, Scope& scope);
    void deny_failing(const Name& function, Node body, const std::vector<Flow>& arguments);

    // call.cc
    // A literal, also with casts around it.
    [[nodiscard]] std::optional<std::string_view> literal_text(Node wrapped);
    Flow call(Node body, Scope& scope);
    Flow call_effects(const Name& name, Node body, const Flow& arguments);
    Flow builtin_effects(std::string_view name, Node body, const Flow& arguments);
    void set_config(Node body, const Flow& arguments);
    void sequence(Operation operation, std::string_view function, Node body);
    bool may_return_set(const Name& name) const;
    void collect_function(const Name& name);

    // modify.cc
    Columns insert(Node body, Scope* outer, CteFrame* ctes);
    Columns update(Node body, Scope* outer, CteFrame* ctes);
    Columns remove(Node body, Scope* outer, CteFrame* ctes);
    Columns merge(Node body, Scope* outer, CteFrame* ctes);
    void on_conflict(Node body, const ResolvedRelation& target, const Source& source, Scope& scope);
    bool merge_branch(Node clause, const ResolvedRelation& target, bool has_condition, Scope& scope);
    void assignments(simdjson::dom::array targets, const ResolvedRelation& target, Scope& scope);
    void inserted_rows(Node select, simdjson::dom::array columns, const ResolvedRelation& target);
    void check_written(Node value, const ResolvedRelation& target, std::string_view column);
    Columns returning(Node body, const ResolvedRelation& target, Scope& scope);
    Where where_of(Node clause, Scope& scope);

    // statement.cc
    void statement(Node wrapped);
    static Handler handler_of(std::string_view kind);
    void query_statement(Node wrapped);

    // session.cc
    void transaction(Node body);
    void set_variable(Node body);
    // `value`: a role, when the setting is one of those that change it; empty when it is not known.
    void set_setting(std::string_view name, std::string_view value);
    void show(Node body);
    void discard(Node body);
    void declare_cursor(Node body);
    void fetch(Node body);
    void close_cursor(Node body);
    void constraints(Node body);
    void listen(Node body);
    void unlisten(Node body);
    void notify(Node body);
    void lock(Node body);
    void maintenance(Node body);
    void do_block(Node body);
    void call_procedure(Node body);
    void load(Node body);

    // transfer.cc
    void copy(Node body);
    void copy_relation(Node body, bool is_to_client);
    void copied_result(Node body, const Columns& columns);
    void explain(Node body);
    void prepare(Node body);
    void execute(Node body);
    Columns executed(Node body);
    void deallocate(Node body);

    // definition.cc, object.cc
    void create_table(Node body);
    void create_foreign_table(Node body);
    void create_table_as(Node body);
    void refresh(Node body);
    void create_view(Node body);
    void create_index(Node body);
    void create_rule(Node body);
    void create_trigger(Node body);
    void create_policy(Node body);
    void create_function(Node body);
    void create_statistics(Node body);
    void create_sequence(Node body);
    void create_schema(Node body);
    void create_named(Node body);
    void implied_calls(Node body);
    void function_behind(const Name& name);
    void function_behind(Node option);
    void alter_table(Node body);
    void alter_sequence(Node body);
    void alter_named(Node body);
    void rename(Node body);
    void drop(Node body);
    void drop_named(Node body);
    void truncate(Node body);
    void comment(Node body);
    void external_thing(Node body);
    void grants(Node body);
    void object_effect(Operation operation, std::string_view type, Node object);
    void grant_objects(Node body);
    [[nodiscard]] model::Object named_object(Node body, bool is_new);
    void run_body(Node body, const std::function<void(Node)>& run);
    void show_relation(Node range, Scope& scope, std::initializer_list<std::string_view> more_aliases);
    void definition_expressions(Node value, Scope& scope);

    const Environment& environment_;
    Parsed* collector_ = nullptr;
    std::set<Name> collected_relations_;
    std::set<Name> collected_functions_;
    Analysis analysis_;
    StatementFacts* facts_ = nullptr;
    const Parsed* parsed_ = nullptr;
    std::size_t statement_ = 0;
    std::size_t work_ = 0;
    NameChange stale_;                                    // by the statements before
    NameChange change_;                                   // by the one under way, besides its effects
    std::size_t nested_index_ = 0;                        // of `statement_` in `parsed_`
    std::string creation_schema_;                         // inside CREATE SCHEMA
    bool runs_later_ = false;                             // inside what is kept and run at another time
    Flow result_flow_;                                    // of the rows of the statement, all columns together
    std::vector<std::optional<std::string>> parameters_;  // of the statement under way
    std::size_t executions_ = 0;                          // EXECUTE inside EXECUTE
    bool reaches_masked_ = false;                         // the statement names a masked relation
    bool makes_table_ = false;                            // SELECT INTO: no rows come back
    Flow statement_masks_;                                // every mask of the relations that it names
    std::string_view kind_;                               // of the statement under way
};

// "schema.name", with the dots inside parts escaped.
[[nodiscard]] std::string object_name(std::string_view schema, std::string_view name);
[[nodiscard]] model::Object known_object(std::string_view kind, std::string_view name);  // "role.app"
// The last parts of a list of String nodes, a "schema.name"; a database in front of them is left out.
[[nodiscard]] Name name_of_list(simdjson::dom::array list);
[[nodiscard]] Name name_of_range(Node range_var);
// A name written inside a text: 'public."Order_id_seq"'. Nothing when it is not one.
[[nodiscard]] std::optional<Name> name_of_text(std::string_view text);

}  // namespace assent::sql

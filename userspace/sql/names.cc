// Relations and columns by name, and the masks that lie on them.
#include <algorithm>
#include <array>

#include "sql/analyser.h"
#include "sql/functions.h"

namespace assent::sql {
namespace {

bool is_system_column(std::string_view name) {
    constexpr std::string_view names[] = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Without quotes. The server reads a number as an oid.
bool may_stand_in_name(char c, bool is_first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || (c >= '0' && c <= '9' && !is_first);
}

const FlowColumn* find(const Columns& columns, std::string_view name, Flow& flow) {
    const FlowColumn* found = nullptr;
    for (const auto& column : columns.list) {
        if (column.name != name) continue;
        if (found == nullptr) {
            flow = column.flow;
        } else {
            flow.mix(column.flow);  // ambiguous: the server will say so
        }
        found = &column;
    }
    return found;
}

}  // namespace

Name name_of_list(simdjson::dom::array list) {
    Name name;
    for (const auto item : list) {
        name.schema = std::move(name.name);
        name.name = Node(item).string_value();
    }
    return name;
}

Name name_of_range(Node range_var) {
    return {std::string(range_var.text("schemaname")), std::string(range_var.text("relname"))};
}

std::optional<Name> name_of_text(std::string_view text) {
    std::vector<std::string> parts(1);
    bool is_quoted = false;
    bool is_ended = false;  // a quoted part has been closed
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (is_quoted) {
            if (c != '"') {
                parts.back() += c;
            } else if (i + 1 < text.size() && text[i + 1] == '"') {
                parts.back() += text[++i];
            } else {
                is_quoted = false;
                is_ended = true;
            }
        } else if (c == '"' && parts.back().empty() && !is_ended) {
            is_quoted = true;
        } else if (c == '.' && !parts.back().empty()) {
            parts.emplace_back();
            is_ended = false;
        } else if (is_ended || !may_stand_in_name(c, parts.back().empty())) {
            return std::nullopt;
        } else {
            parts.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
    }
    if (is_quoted || parts.back().empty() || parts.size() > 2) return std::nullopt;
    return parts.size() == 1 ? Name{{}, parts[0]} : Name{parts[0], parts[1]};
}

ResolvedRelation Analyser::resolve(const Name& name) {
    if (collector_ != nullptr && !name.name.empty()) collected_relations_.insert(name);
    ResolvedRelation resolved{{object_name(name.schema, name.name), false}, name.schema, name.name, nullptr, false};
    const Catalog* catalog = environment_.catalog;
    if (catalog == nullptr || name.name.empty()) return resolved;
    if (is_stale(name)) {
        // A schema in front leads to that name whatever is there now; what it holds is not known any more.
        resolved.object.is_resolved = !name.schema.empty();
        return resolved;
    }
    if (const Relation* relation = catalog->relation(name)) {
        return {{object_name(relation->schema, relation->name), true}, relation->schema, relation->name, relation, false};
    }
    if (!catalog->assumes(name)) return resolved;
    if (resolved.schema.empty()) resolved.schema = name.name.starts_with("pg_") ? "pg_catalog" : "public";
    resolved.object = {object_name(resolved.schema, name.name), true};
    resolved.is_assumed = true;
    return resolved;
}

void Analyser::write_effect(Operation operation, const ResolvedRelation& target, Where where) {
    model::Object object = target.object;
    const Relation* relation = target.relation;
    if (relation == nullptr && environment_.catalog != nullptr) {
        // Stale. One that was there is still the view that it was, unless a statement before made or changed views.
        const Name name{target.schema, target.name};
        relation = environment_.catalog->relation(name);
        if (!environment_.catalog->is_known(name) || may_lead_elsewhere(name.name, relation)) object.is_resolved = false;
    }
    effect(operation, object, where);
    if (relation == nullptr) return;
    if (relation->kind == 'v') {
        for (const Name& name : relation->reaches) effect(operation, {object_name(name.schema, name.name), true}, where);
    }
    for (const Name& name : relation->reached_by_rules) {
        const model::Object reached{object_name(name.schema, name.name), true};
        effect(Operation::insert, reached);
        effect(Operation::update, reached, Where::absent);
        effect(Operation::remove, reached, Where::absent);
    }
}

ResolvedRelation Analyser::resolve(Node range_var) { return resolve(name_of_range(range_var)); }

model::Object Analyser::created(Node range_var) {
    if (range_var.text("relpersistence") == "t") return {object_name("pg_temp", range_var.text("relname")), true};
    return created(name_of_range(range_var));
}

model::Object Analyser::created(const Name& name) {
    if (!name.schema.empty()) return {object_name(name.schema, name.name), true};
    std::string schema = creation_schema_;
    if (schema.empty() && environment_.catalog != nullptr && !stale_.path) schema = environment_.catalog->creation_schema();
    return {object_name(schema, name.name), !schema.empty()};
}

Flow Analyser::unknown_flow() const {
    Flow flow;
    if (environment_.masks != nullptr) flow.masks.push_back({{}, {model::MaskKind::redact, 0, 0}, false});
    return flow;
}

Flow Analyser::mask_of_name(std::string_view schema, std::string_view relation, std::string_view column) const {
    Flow flow;
    if (environment_.masks == nullptr) return flow;
    flow.masks = environment_.masks->masks_of(schema, relation, column);
    flow.is_exact = !flow.masks.empty();
    return flow;
}

Flow Analyser::mask_of(const ResolvedRelation& relation, std::string_view column) {
    Flow flow = mask_of_name(relation.schema, relation.name, column);
    if (relation.relation != nullptr) {
        for (const auto& relative : relation.relation->relatives)
            flow.join(mask_of_name(relative.schema, relative.name, column));
    }
    return flow;
}

// The masks of everything that a view or a rule leads to: any of its columns may carry them.
Flow Analyser::reached_masks(const Relation& relation) const {
    Flow flow;
    if (environment_.masks == nullptr) return flow;
    for (const auto& name : relation.reaches) {
        const bool is_relative =
            std::find(relation.relatives.begin(), relation.relatives.end(), name) != relation.relatives.end();
        if (is_relative && relation.kind != 'v' && relation.kind != 'm') continue;
        const Relation* reached = environment_.catalog->reached(name);
        if (reached == nullptr) {
            if (environment_.masks->may_mask(name.schema, name.name)) flow.mix(unknown_flow());
            continue;
        }
        for (const auto& column : reached->columns) flow.mix(mask_of_name(name.schema, name.name, column.name));
    }
    return flow;
}

Columns Analyser::columns_of(const ResolvedRelation& relation) {
    Columns columns;
    if (environment_.masks == nullptr && relation.relation == nullptr) {
        columns.is_complete = false;
        return columns;
    }
    if (relation.relation == nullptr) {
        columns.is_complete = false;
        // Not known means it may be anything; for explain without a catalog the columns' own names are all there is.
        if (!relation.is_assumed || environment_.masks->may_mask(relation.schema, relation.name))
            columns.others = unknown_flow();
    } else {
        const bool is_view = relation.relation->kind == 'v' || relation.relation->kind == 'm';
        const Flow reached = is_view ? reached_masks(*relation.relation) : Flow();
        for (const auto& column : relation.relation->columns) {
            columns.list.push_back({column.name, mask_of(relation, column.name), column.type});
            if (!reached.is_clean()) columns.list.back().flow.mix(reached);
        }
    }
    const Flow all = columns.all();
    if (!all.is_clean()) reaches_masked_ = true;
    statement_masks_.mix(all);
    return columns;
}

bool Analyser::is_masked(const ResolvedRelation& relation) { return !columns_of(relation).all().is_clean(); }

CteFrame::Entry* Analyser::cte(std::string_view name, Scope& scope) {
    for (CteFrame* frame = scope.ctes; frame != nullptr; frame = frame->parent) {
        for (auto& entry : frame->entries) {
            if (entry.name != name) continue;
            // Without RECURSIVE a WITH query sees only those before it.
            if (!frame->is_recursive && entry.state != CteFrame::State::ready) continue;
            if (entry.state == CteFrame::State::under_way) entry.refers_to_itself = true;
            if (entry.state == CteFrame::State::waiting) cte_columns(*frame, entry);
            return &entry;
        }
    }
    return nullptr;
}

Flow Analyser::field_call(std::string_view name, const Flow& argument) {
    const Name function{{}, std::string(name)};
    collect_function(function);
    deny_failing(function, Node(), {argument});
    // What the first reading took for a column is not one, and the catalog was not asked whether it is a function.
    const bool is_unasked = collector_ == nullptr && environment_.catalog != nullptr &&
                            !environment_.catalog->knows_function(function) && builtin_function(function.name) == nullptr;
    if (is_unasked || is_callable(function)) return call_effects(function, Node(), argument);
    return argument.derived();
}

const Source* Analyser::source_named(const std::vector<std::string_view>& parts, Scope& scope) {
    // parts: alias, or schema and relation, or database, schema and relation.
    const std::string_view name = parts.back();
    const std::string_view schema = parts.size() > 1 ? parts[parts.size() - 2] : std::string_view();
    for (Scope* at = &scope; at != nullptr; at = at->outer) {
        for (const auto& source : at->from.sources) {
            if (source.alias != name || (!schema.empty() && source.schema != schema)) continue;
            at->is_used = true;
            return &source;
        }
    }
    return nullptr;
}

Flow Analyser::unqualified_column(std::string_view name, Scope& scope) {
    Flow possible;
    bool is_possible = false;
    for (Scope* at = &scope; at != nullptr; at = at->outer) {
        Flow flow;
        if (find(at->from.visible, name, flow) != nullptr) {
            at->is_used = true;
            if (is_possible) flow.mix(possible);
            return flow;
        }
        if (!at->from.visible.is_complete) {
            at->is_used = true;
            is_possible = true;
            possible.mix(unlisted_column(at->from, name));
        }
        if (is_system_column(name) && !at->from.sources.empty()) {
            at->is_used = true;
            return possible;
        }
    }
    if (const Source* source = source_named({name}, scope)) {
        Flow whole = source->columns.all();
        whole.mix(possible);
        return whole;
    }
    // A name from nowhere: the server will refuse it, or it stands in a source that is not known.
    return possible;
}

// A column that a source of incomplete columns may have.
Flow Analyser::unlisted_column(const From& from, std::string_view name) const {
    Flow flow;
    bool is_assumed = true;
    bool is_found = false;
    for (const auto& source : from.sources) {
        if (source.columns.is_complete) continue;
        is_found = true;
        // One that is only assumed to be there has the columns that are named.
        is_assumed = is_assumed && source.is_assumed;
        if (is_assumed) flow.join(mask_of_name(source.mask_schema, source.mask_relation, name));
    }
    return is_found && is_assumed ? flow : from.visible.others;
}

Flow Analyser::qualified_column(const std::vector<std::string_view>& parts, Scope& scope) {
    const std::string_view name = parts.back();
    const Source* source = source_named({parts.begin(), parts.end() - 1}, scope);
    if (source == nullptr) {
        // alias.column.field is written with parentheses; schema.relation.column without a match is a mistake, or a
        // whole-row alias of an outer scope that cannot be found: nothing is proved.
        return unknown_flow();
    }
    Flow flow;
    if (find(source->columns, name, flow) != nullptr) return flow;
    if (source->is_relation && is_system_column(name)) return {};
    if (!source->columns.is_complete) {
        From only;
        only.sources.push_back(*source);
        only.visible = source->columns;
        return unlisted_column(only, name);
    }
    // Not a column: the server tries a function of that name with the whole row.
    return field_call(name, source->columns.all());
}

Flow Analyser::column(Node column_ref, Scope& scope) {
    std::vector<std::string_view> parts;
    for (const auto item : column_ref.list("fields")) {
        if (Node(item).kind() == "A_Star") {
            // A star inside an expression, t.*: the whole row.
            return star(column_ref, scope).all();
        }
        parts.push_back(Node(item).string_value());
    }
    if (parts.empty()) return unknown_flow();
    return parts.size() == 1 ? unqualified_column(parts[0], scope) : qualified_column(parts, scope);
}

std::uint32_t Analyser::type_of_column(Node column_ref, Scope& scope) {
    std::vector<std::string_view> parts;
    for (const auto item : column_ref.list("fields")) parts.push_back(Node(item).string_value());
    const Columns* columns = nullptr;
    if (parts.size() > 1) {
        const Source* source = source_named({parts.begin(), parts.end() - 1}, scope);
        if (source != nullptr) columns = &source->columns;
    }
    for (Scope* at = parts.size() == 1 ? &scope : nullptr; at != nullptr && columns == nullptr; at = at->outer) {
        Flow ignored;
        const bool is_here = find(at->from.visible, parts[0], ignored) != nullptr;
        if (is_here || !at->from.visible.is_complete) columns = &at->from.visible;
    }
    if (columns == nullptr || !columns->is_complete) return 0;
    Flow ignored;
    const FlowColumn* column = find(*columns, parts.back(), ignored);
    return column == nullptr ? 0 : column->type;
}

// Of an output column, as far as it is needed to lay a mask on a COPY: what is computed is not known.
std::uint32_t Analyser::type_of(Node wrapped, Scope& scope) {
    constexpr std::array<std::pair<std::string_view, std::uint32_t>, 3> texts = {
        {{"text", 25}, {"varchar", 1043}, {"bpchar", 1042}}};
    if (const Node reference = wrapped.as("ColumnRef")) return type_of_column(reference, scope);
    if (const Node collated = wrapped.as("CollateClause")) return type_of(collated.member("arg"), scope);
    const Node name = wrapped.as("TypeCast").member("typeName");
    if (!name || name.size("arrayBounds") > 0) return 0;
    // A name without a schema may be a type of the agent's.
    const Name type = name_of_list(name.list("names"));
    if (type.schema != "pg_catalog" && stale_.is_any()) return 0;
    for (const auto& [text, oid] : texts) {
        if (type.name == text && (type.schema.empty() || type.schema == "pg_catalog")) return oid;
    }
    return 0;
}

Columns Analyser::star(Node column_ref, Scope& scope) {
    std::vector<std::string_view> parts;
    for (const auto item : column_ref.list("fields")) {
        if (Node(item).kind() != "A_Star") parts.push_back(Node(item).string_value());
    }
    if (parts.empty()) {
        scope.is_used = true;
        return scope.from.visible;
    }
    if (const Source* source = source_named(parts, scope)) return source->columns;
    Columns columns;
    columns.is_complete = false;
    columns.others = unknown_flow();
    return columns;
}

}  // namespace assent::sql

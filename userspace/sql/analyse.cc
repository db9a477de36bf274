#include "sql/analyse.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/limits.h"
#include "sql/analyser.h"

namespace assent::sql {
namespace {

constexpr std::size_t shown_start = 60;  // of a text that is the object of `unknown`

// Cut at a character of UTF-8.
std::string start_of(std::string_view text) {
    std::size_t size = std::min(text.size(), shown_start);
    while (size > 0 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
    return std::string(text.substr(0, size));
}

bool is_write(const model::Effect& effect) {
    using enum model::Operation;
    return effect.operation != read && effect.operation != transaction && effect.operation != session &&
           effect.operation != lock;
}

// Those effects of plain EXPLAIN that planning may really have; all else is only read.
bool survives_explain(model::Operation operation) {
    using enum model::Operation;
    return operation == execute || operation == unknown || operation == external || operation == session ||
           operation == grant || operation == notify || operation == read;
}

}  // namespace

std::string object_name(std::string_view schema, std::string_view name) {
    std::string out;
    const auto append = [&out](std::string_view part) {
        for (const char c : part) {
            if (c == '.' || c == '\\') out += '\\';
            out += c;
        }
    };
    append(schema);
    if (!schema.empty()) out += '.';
    append(name);
    return out;
}

model::Object known_object(std::string_view kind, std::string_view name) { return {object_name(kind, name), true}; }

void Analyser::effect(Operation operation, const model::Object& object, Where where) {
    if (!object.is_resolved) analysis_.has_unresolved_names = true;
    for (auto& known : analysis_.effects) {
        if (known.operation != operation || known.statement != statement_ || known.where_clause != where) continue;
        if (std::find(known.objects.begin(), known.objects.end(), object) == known.objects.end())
            known.objects.push_back(object);
        return;
    }
    analysis_.effects.push_back({operation, {object}, where, static_cast<std::uint32_t>(statement_)});
}

void Analyser::effect(Operation operation) {
    const bool is_there = std::any_of(analysis_.effects.begin(), analysis_.effects.end(), [&](const model::Effect& known) {
        return known.operation == operation && known.statement == statement_;
    });
    if (!is_there)
        analysis_.effects.push_back({operation, {}, Where::not_applicable, static_cast<std::uint32_t>(statement_)});
}

void Analyser::unknown(std::string_view what) { effect(Operation::unknown, {object_name({}, what), true}); }

void Analyser::deny(const Flow& flow, std::string_view how) {
    if (flow.is_clean()) return;
    std::string names;
    for (const auto& mask : flow.masks) {
        if (mask.mask.empty()) continue;
        auto& list = analysis_.mask_denial_masks;
        if (std::find(list.begin(), list.end(), mask.mask) == list.end()) list.push_back(mask.mask);
        if (names.find(mask.mask) == std::string::npos) names += (names.empty() ? "" : ", ") + mask.mask;
    }
    if (!analysis_.mask_denial.empty()) return;
    analysis_.mask_denial = names.empty() ? fmt::format("a value that may come from a masked column {}", how)
                                          : fmt::format("a column masked by {} {}", names, how);
}

void Analyser::result(const Columns& columns) {
    facts_->returns_rows = true;
    auto& masks = facts_->masks;
    const Flow everything = columns.all();
    result_flow_ = everything;
    const auto check = [this](const Flow& flow) {
        if (flow.denies()) deny(flow, "cannot be proved to stay out of this output");
    };
    if (!columns.is_complete) {
        Flow flow = everything;
        if (flow.is_clean() && reaches_masked_) flow = statement_masks_.derived();
        check(flow);
        masks.covers_all_columns = !flow.is_clean();
        masks.otherwise = flow.column_mask();
    } else {
        for (const auto& column : columns.list) {
            check(column.flow);
            masks.columns.push_back(column.flow.column_mask());
        }
    }
}

void Analyser::result_unknown() {
    facts_->returns_rows = true;
    if (environment_.masks == nullptr) return;
    facts_->masks.covers_all_columns = true;
    facts_->masks.otherwise = unknown_flow().column_mask();
}

void Analyser::finish() {
    auto& masks = facts_->masks;
    if (reaches_masked_) {
        masks.strips_error_detail = true;
        if (!masks.covers_all_columns) masks.otherwise = statement_masks_.derived().column_mask();
    }
    const auto add = [this](const model::ColumnMask& column) {
        for (const auto& name : column.masks) {
            if (std::find(analysis_.masks.begin(), analysis_.masks.end(), name) == analysis_.masks.end())
                analysis_.masks.push_back(name);
        }
    };
    for (const auto& column : masks.columns) add(column);
    if (masks.covers_all_columns) add(masks.otherwise);
    if (environment_.masks == nullptr) masks = {};
}

bool Analyser::spend() {
    if (++work_ <= limits::statement_work) return true;
    unknown("too much to analyse");
    facts_->masks.covers_all_columns = environment_.masks != nullptr;
    return false;
}

Node Analyser::read_constant(Node wrapped) {
    const Node constant = wrapped.as("A_Const");
    if (constant) analysis_.depends_on_constants = true;
    return constant;
}

void Analyser::explain_effects(std::size_t first) {
    std::vector<model::Effect> found(analysis_.effects.begin() + static_cast<std::ptrdiff_t>(first),
                                     analysis_.effects.end());
    analysis_.effects.resize(first);
    for (const auto& inner : found) {
        // What it would create is not there to be read.
        if (inner.operation == Operation::create) continue;
        const Operation operation = survives_explain(inner.operation) ? inner.operation : Operation::read;
        if (inner.objects.empty()) effect(operation);
        for (const auto& object : inner.objects) effect(operation, object);
    }
}

void Analyser::fail_whole(const Parsed& parsed, std::string_view why) {
    static_cast<void>(why);
    facts_ = &analysis_.statements.emplace_back();
    unknown(start_of(parsed.text));
    analysis_.may_change_names = true;
    result_unknown();
    finish();
}

void Analyser::run_statements(const Parsed& parsed) {
    analysis_.statements.reserve(parsed.statement_count);
    bool is_control_only = parsed.statement_count > 0;
    for (const auto item : parsed.tree->statements()) {
        const Node wrapped = Node(item).member("stmt");
        facts_ = &analysis_.statements.emplace_back();
        reaches_masked_ = false;
        makes_table_ = false;
        statement_masks_ = {};
        kind_ = wrapped.kind();
        is_control_only = is_control_only && kind_ == "TransactionStmt";
        nested_index_ = statement_;
        statement(wrapped);
        finish();
        note_change(wrapped);
        ++statement_;
    }
    analysis_.is_transaction_control_only = is_control_only;
}

Analysis Analyser::run(const Parsed& parsed) {
    parsed_ = &parsed;
    if (parsed.tree == nullptr) {
        fail_whole(parsed, parsed.failure);
    } else if (!environment_.has_conforming_strings) {
        fail_whole(parsed, "standard_conforming_strings is off");
    } else {
        run_statements(parsed);
    }
    analysis_.writes = std::any_of(analysis_.effects.begin(), analysis_.effects.end(), is_write);
    if (collector_ != nullptr) {
        collector_->relations.assign(collected_relations_.begin(), collected_relations_.end());
        collector_->functions.assign(collected_functions_.begin(), collected_functions_.end());
        collector_->names_depend_on_constants = analysis_.depends_on_constants;
    }
    return std::move(analysis_);
}

void collect_names(Parsed& parsed) {
    if (parsed.tree == nullptr) return;
    const Catalog nothing;
    Environment environment;
    environment.catalog = &nothing;
    Analyser analyser(environment, &parsed);
    static_cast<void>(analyser.run(parsed));
}

Analysis analyse(const Parsed& parsed, const Environment& environment) {
    Analysis analysis = Analyser(environment).run(parsed);
    // The constants that were read are those of the text that lent its tree.
    if (parsed.has_lent_tree && analysis.depends_on_constants) return Analyser(environment).run(*parse(parsed.text));
    return analysis;
}

model::Effect setting_effect(std::string_view name) {
    std::string folded(name);
    std::transform(folded.begin(), folded.end(), folded.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (folded == "role" || folded == "session_authorization") {
        return {model::Operation::grant, {{"role." + folded, false}}, model::WhereClause::not_applicable, 0};
    }
    return {model::Operation::session, {known_object("setting", folded)}, model::WhereClause::not_applicable, 0};
}

std::vector<model::Effect> function_call_effects(std::uint32_t oid) {
    if (oid == 0) return {{model::Operation::unknown, {{"function", true}}, model::WhereClause::not_applicable, 0}};
    return {
        {model::Operation::execute, {known_object("function", std::to_string(oid))}, model::WhereClause::not_applicable, 0}};
}

}  // namespace assent::sql

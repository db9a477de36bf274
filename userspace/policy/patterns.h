// What rules say of objects, functions and columns.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/effect.h"
#include "policy/glob.h"

namespace assent::policy {

// An object as judging needs it: its name in parts, split once.
struct ObjectName {
    std::vector<std::string> parts;
    bool is_resolved = false;
    bool is_withheld = false;  // only `any` and its own full name cover it, no wildcard

    explicit ObjectName(const model::Object& object);
};

// Relations that hold data of others (statistics, other sessions' queries, passwords, large objects).
[[nodiscard]] bool is_withheld(std::string_view schema, std::string_view relation);

class ObjectPattern {
public:
    // "any", "@catalog", or a pattern of parts. Nothing for another word with '@'.
    [[nodiscard]] static std::optional<ObjectPattern> parse(std::string_view text);

    // For deny and hold rules: may the object be meant. An unresolved name is met by its last part, whatever the schema.
    [[nodiscard]] bool may_mean(const ObjectName& object) const;
    // For allow rules, and to take away from a deny rule: is the object surely meant.
    [[nodiscard]] bool surely_means(const ObjectName& object) const;
    [[nodiscard]] bool is_any() const noexcept { return kind_ == Kind::any; }
    [[nodiscard]] bool is_catalog() const noexcept { return kind_ == Kind::catalog; }
    // Of a pattern of parts; null otherwise.
    [[nodiscard]] const NamePattern* name() const noexcept { return name_ ? &*name_ : nullptr; }

private:
    enum class Kind : unsigned char { name = 0, catalog, any };
    explicit ObjectPattern(Kind kind) : kind_(kind) {}

    Kind kind_ = Kind::name;
    std::optional<NamePattern> name_;
};

// A function: "schema.name", or "name" for that of any schema.
class FunctionPattern {
public:
    explicit FunctionPattern(std::string_view text) : pattern_(text) {}
    // `function` as the analysis names it: "schema.name", or "name" when the schema is not known.
    [[nodiscard]] bool may_mean(const std::vector<std::string>& function) const;
    [[nodiscard]] bool surely_means(const std::vector<std::string>& function) const { return pattern_.matches(function); }
    [[nodiscard]] std::size_t part_count() const noexcept { return pattern_.parts().size(); }
    [[nodiscard]] const NamePattern& name() const noexcept { return pattern_; }
    bool operator==(const FunctionPattern&) const = default;

private:
    NamePattern pattern_;
};

// schema.relation.column, or database.schema.relation.column.
struct ColumnPattern {
    std::optional<Glob> database;
    Glob schema;
    Glob relation;
    Glob column;

    // Nothing when it does not have three or four parts.
    [[nodiscard]] static std::optional<ColumnPattern> parse(std::string_view text);
    bool operator==(const ColumnPattern&) const = default;
};

}  // namespace assent::policy

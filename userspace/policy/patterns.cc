#include "policy/patterns.h"

#include <algorithm>
#include <array>

namespace assent::policy {
namespace {

constexpr std::string_view withheld_prefix = "pg_stats_ext";
constexpr std::array<std::string_view, 7> withheld = {
    "pg_authid", "pg_largeobject", "pg_shadow", "pg_stat_activity", "pg_statistic", "pg_statistic_ext_data", "pg_stats"};

bool is_catalog_schema(std::string_view schema) { return schema == "pg_catalog" || schema == "information_schema"; }

}  // namespace

bool is_withheld(std::string_view schema, std::string_view relation) {
    // Rows of every table that are too large for it are kept here.
    if (schema == "pg_toast") return true;
    // Texts of other sessions' statements; the extension may be in any schema.
    if (relation == "pg_stat_statements") return true;
    if (schema != "pg_catalog") return false;
    return relation.starts_with(withheld_prefix) || std::find(withheld.begin(), withheld.end(), relation) != withheld.end();
}

ObjectName::ObjectName(const model::Object& object) : parts(split_name(object.name)), is_resolved(object.is_resolved) {
    is_withheld = parts.size() == 2 && policy::is_withheld(parts[0], parts[1]);
}

std::optional<ObjectPattern> ObjectPattern::parse(std::string_view text) {
    if (text == "any") return ObjectPattern(Kind::any);
    if (text == "@catalog") return ObjectPattern(Kind::catalog);
    if (text.starts_with('@')) return std::nullopt;
    ObjectPattern out(Kind::name);
    constexpr std::string_view settings = "setting.";
    if (!text.starts_with(settings)) {
        out.name_.emplace(text);
        return out;
    }
    // The name of a setting may have a dot of its own (`myapp.user`), and is one part.
    std::string escaped(settings);
    for (std::size_t i = settings.size(); i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size())
            escaped += text[i++];
        else if (text[i] == '.')
            escaped += '\\';
        escaped += text[i];
    }
    out.name_.emplace(escaped);
    return out;
}

bool ObjectPattern::may_mean(const ObjectName& object) const {
    if (kind_ == Kind::any) return true;
    if (!object.is_resolved) return kind_ == Kind::catalog || name_->parts().back().matches(object.parts.back());
    if (kind_ == Kind::catalog) return object.parts.size() == 2 && is_catalog_schema(object.parts[0]);
    // A deny that forgot the schema still protects.
    if (name_->parts().size() == 1) return name_->parts()[0].matches(object.parts.back());
    return name_->matches(object.parts);
}

bool ObjectPattern::surely_means(const ObjectName& object) const {
    if (kind_ == Kind::any) return true;
    if (!object.is_resolved) return false;
    if (kind_ == Kind::catalog) return object.parts.size() == 2 && is_catalog_schema(object.parts[0]) && !object.is_withheld;
    return name_->matches(object.parts) && (!object.is_withheld || name_->is_literal());
}

bool FunctionPattern::may_mean(const std::vector<std::string>& function) const {
    if (pattern_.parts().size() == 1 || function.size() == 1) return pattern_.parts().back().matches(function.back());
    return pattern_.matches(function);
}

std::optional<ColumnPattern> ColumnPattern::parse(std::string_view text) {
    const auto parts = split_pattern(text);
    if (parts.size() < 3 || parts.size() > 4) return std::nullopt;
    if (std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); })) return std::nullopt;
    const std::size_t first = parts.size() - 3;
    ColumnPattern out{std::nullopt, Glob(parts[first]), Glob(parts[first + 1]), Glob(parts[first + 2])};
    if (first == 1) out.database.emplace(parts[0]);
    return out;
}

}  // namespace assent::policy

// What the tests of sql/ share: a catalog from a file, masks from a list, and effects written as one line.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "sql/analyse.h"

namespace assent::sql::test {

// "read public.a,public.b; delete[absent] public.c; execute ?f": effects in order of their text, `?` before what is not
// resolved.
inline std::string line_of(const std::vector<model::Effect>& effects) {
    std::vector<std::string> parts;
    for (const auto& effect : effects) {
        std::vector<std::string> objects;
        for (const auto& object : effect.objects) objects.push_back((object.is_resolved ? "" : "?") + object.name);
        std::sort(objects.begin(), objects.end());
        const char* where = effect.where_clause == model::WhereClause::absent ? "[absent]" : "";
        parts.push_back(fmt::format("{}{}{}{}", model::name_of(effect.operation), where, objects.empty() ? "" : " ",
                                    fmt::join(objects, ",")));
    }
    std::sort(parts.begin(), parts.end());
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
    return fmt::format("{}", fmt::join(parts, "; "));
}

// Masks by "schema.relation.column".
class ListedMasks : public MaskLookup {
public:
    ListedMasks& add(const std::string& column, model::MaskMethod method, bool denies_unproven = false) {
        masks_[column].push_back({"mask-of-" + column.substr(column.rfind('.') + 1), method, denies_unproven});
        return *this;
    }
    [[nodiscard]] std::vector<MaskedColumn> masks_of(std::string_view schema, std::string_view relation,
                                                     std::string_view column) const override {
        const auto found = masks_.find(fmt::format("{}.{}.{}", schema, relation, column));
        return found == masks_.end() ? std::vector<MaskedColumn>() : found->second;
    }
    [[nodiscard]] bool may_mask(std::string_view schema, std::string_view relation) const override {
        const std::string prefix = fmt::format("{}.{}.", schema, relation);
        return std::any_of(masks_.begin(), masks_.end(), [&](const auto& pair) { return pair.first.starts_with(prefix); });
    }

private:
    std::map<std::string, std::vector<MaskedColumn>> masks_;
};

}  // namespace assent::sql::test

#include "sql/functions.h"

#include <algorithm>
#include <iterator>

namespace assent::sql {
namespace {

constexpr BuiltinFunction table[] = {
#include "sql/builtin_functions.inc"
};

static_assert(std::is_sorted(std::begin(table), std::end(table),
                             [](const BuiltinFunction& a, const BuiltinFunction& b) { return a.name < b.name; }));

}  // namespace

const BuiltinFunction* builtin_function(std::string_view name) noexcept {
    const auto* const found = std::lower_bound(std::begin(table), std::end(table), name,
                                               [](const BuiltinFunction& a, std::string_view b) { return a.name < b; });
    return found != std::end(table) && found->name == name ? found : nullptr;
}

}  // namespace assent::sql

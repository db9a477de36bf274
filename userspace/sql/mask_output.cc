#include "sql/mask_output.h"

#include <algorithm>

namespace assent::sql {
namespace {

constexpr std::string_view hash_prefix = "masked:";
constexpr std::string_view partial_run = "***";

bool is_output_of(std::optional<std::string_view> value, model::MaskKind kind) {
    switch (kind) {
        case model::MaskKind::none:
            return false;
        case model::MaskKind::partial:
            return value && value->find(partial_run) != std::string_view::npos;
        case model::MaskKind::hash:
            return value && value->starts_with(hash_prefix);
        case model::MaskKind::redact:
            return value && *value == model::redacted_text;
        case model::MaskKind::null:
            return !value;
    }
    return true;
}

}  // namespace

bool looks_masked(std::optional<std::string_view> value, const Flow& masks) {
    // A mixed value is redacted whatever the method, so that text is never what was in the column.
    if (value && *value == model::redacted_text) return true;
    return std::any_of(masks.masks.begin(), masks.masks.end(),
                       [&](const MaskedColumn& mask) { return is_output_of(value, mask.method.kind); });
}

}  // namespace assent::sql

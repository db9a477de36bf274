#include "sql/flow.h"

#include <algorithm>

#include "base/limits.h"

namespace assent::sql {
namespace {

bool is_same(const MaskedColumn& a, const MaskedColumn& b) {
    return a.mask == b.mask && a.method == b.method && a.denies_unproven == b.denies_unproven;
}

void add_missing(std::vector<MaskedColumn>& to, const std::vector<MaskedColumn>& from) {
    for (const auto& mask : from) {
        if (std::none_of(to.begin(), to.end(), [&](const MaskedColumn& have) { return is_same(have, mask); }))
            to.push_back(mask);
    }
}

// What both would hide.
model::MaskMethod stronger(model::MaskMethod a, const model::MaskMethod& b) {
    if (a.kind != b.kind) return a.kind > b.kind ? a : b;
    a.keep_first = std::min(a.keep_first, b.keep_first);
    a.keep_last = std::min(a.keep_last, b.keep_last);
    return a;
}

}  // namespace

void Flow::mix(const Flow& other) {
    add_missing(masks, other.masks);
    is_exact = false;
}

void Flow::join(const Flow& other) {
    if (other.is_clean()) return;
    is_exact = is_clean() ? other.is_exact : is_exact && other.is_exact;
    add_missing(masks, other.masks);
}

Flow Flow::derived() const {
    Flow copy = *this;
    copy.is_exact = false;
    return copy;
}

model::ColumnMask Flow::column_mask() const {
    model::ColumnMask result;
    for (const auto& mask : masks) {
        result.method = result.method.kind == model::MaskKind::none ? mask.method : stronger(result.method, mask.method);
        if (!mask.mask.empty() && std::find(result.masks.begin(), result.masks.end(), mask.mask) == result.masks.end()) {
            result.masks.push_back(mask.mask);
        }
    }
    if (!masks.empty() && (!is_exact || result.method.kind == model::MaskKind::none)) {
        result.method = stronger(result.method, {model::MaskKind::redact, 0, 0});
    }
    return result;
}

bool Flow::denies() const noexcept {
    return !is_exact &&
           std::any_of(masks.begin(), masks.end(), [](const MaskedColumn& mask) { return mask.denies_unproven; });
}

Flow Columns::all() const {
    Flow flow = others.derived();
    for (const auto& column : list) flow.mix(column.flow);
    return flow;
}

void Columns::add_all(const Columns& other) {
    if (list.size() + other.list.size() > limits::result_columns) {
        others.mix(all());
        others.mix(other.all());
        is_complete = false;
        return;
    }
    list.insert(list.end(), other.list.begin(), other.list.end());
    is_complete = is_complete && other.is_complete;
    others.mix(other.others);
}

void Columns::join(const Columns& other) {
    if (!is_complete && !other.is_complete) {
        others = all();
        others.mix(other.all());
        for (auto& column : list) {
            column.flow.mix(others);
            column.type = 0;
        }
        return;
    }
    if (!is_complete || !other.is_complete || list.size() != other.list.size()) {
        // Positions of one of them are not known: anything of it may be anywhere.
        const Flow anything = is_complete ? other.all() : all();
        if (!is_complete) {
            Columns named = other;
            for (std::size_t i = 0; i < named.list.size() && i < list.size(); ++i) named.list[i].name = list[i].name;
            *this = std::move(named);
        }
        for (auto& column : list) {
            if (!anything.is_clean()) column.flow.mix(anything);
            column.type = 0;
        }
        return;
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
        list[i].flow.join(other.list[i].flow);
        list[i].type = common_type(list[i].type, other.list[i].type);
    }
}

std::uint32_t common_type(std::uint32_t a, std::uint32_t b) noexcept { return a == b ? a : 0; }

void Columns::rename(const std::vector<std::string>& names) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i < list.size() && is_complete) {
            list[i].name = names[i];
        } else if (!is_complete) {
            // Where the names fall is not known: each may be any column.
            list.push_back({names[i], all()});
        }
    }
}

}  // namespace assent::sql

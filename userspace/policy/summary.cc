#include "policy/summary.h"

namespace assent::policy {
namespace {

std::vector<std::string> words_of(const std::optional<Names>& names) {
    if (!names || names->is_any) return {"any"};
    return names->names;
}

std::vector<std::string> words_of(const std::optional<model::OperationSet>& operations) {
    if (!operations || operations->all()) return {"any"};
    std::vector<std::string> out;
    for (std::size_t i = 0; i < model::operation_count; ++i) {
        if (operations->test(i)) out.emplace_back(model::name_of(static_cast<model::Operation>(i)));
    }
    return out;
}

RuleSummary summary_of(const Rule& rule) {
    RuleSummary out;
    out.name = rule.name;
    out.verdict = rule.verdict;
    out.targets = words_of(rule.what.targets);
    out.operations = words_of(rule.what.operations);
    for (const auto& placed : rule.what.object_places) out.objects.push_back(placed.text);
    if (out.objects.empty()) out.objects.emplace_back("any");
    out.has_exceptions = rule.except.has_value();
    out.has_conditions =
        rule.when.where_clause || !rule.when.functions.empty() || rule.when.matches != nullptr || rule.when.hours;
    out.approval = rule.approval;
    out.message = rule.message;
    out.limit = rule.limit;
    return out;
}

std::string method_text(const model::MaskMethod& method) {
    switch (method.kind) {
        case model::MaskKind::none:
            break;
        case model::MaskKind::partial:
            return "partial";
        case model::MaskKind::hash:
            return "hash";
        case model::MaskKind::redact:
            return "redact";
        case model::MaskKind::null:
            return "null";
    }
    return "none";
}

}  // namespace

std::vector<RuleSummary> summarize_rules(const PolicyContent& content, const std::vector<std::string>& agents) {
    std::vector<RuleSummary> out;
    for (const Rule& rule : content.rules) {
        if (rule.is_builtin || (rule.what.agents && !rule.what.agents->has_one_of(agents))) continue;
        out.push_back(summary_of(rule));
    }
    return out;
}

std::vector<MaskSummary> summarize_masks(const PolicyContent& content, const std::vector<std::string>& agents) {
    std::vector<MaskSummary> out;
    for (const Mask& mask : content.masks) {
        if (mask.agents && !mask.agents->has_one_of(agents)) continue;
        out.push_back({mask.name, mask.column_texts, method_text(mask.method)});
    }
    return out;
}

}  // namespace assent::policy

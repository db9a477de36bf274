#include "policy/token_pattern.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"

namespace assent::policy {
namespace {

constexpr std::size_t deepest_claim = 8;

void decode_claims(const YamlNode& node, const std::vector<std::string>& above, TokenPattern& out, Reporter& report) {
    if (above.size() > deepest_claim) {
        report.mistake(node.at, "a claim so deep inside others cannot be asked for");
        return;
    }
    for (const auto& member : node.members) {
        auto path = above;
        path.push_back(member.key);
        const std::string what = fmt::format("the claim '{}'", shown_text(member.key));
        if (member.value.kind == YamlNode::Kind::map && !member.value.members.empty()) {
            decode_claims(member.value, path, out, report);
        } else if (member.value.kind == YamlNode::Kind::list) {
            out.claims.push_back({std::move(path), plain_texts(read_texts(member.value, what, report))});
        } else if (auto text = read_text(member.value, what, report)) {
            out.claims.push_back({std::move(path), {std::move(*text)}});
        }
    }
}

}  // namespace

TokenPattern decode_token(const YamlNode& node, Reporter& report) {
    TokenPattern out;
    MapReader map(node, "'token'", report);
    if (const YamlNode* issuer = map.required("issuer")) out.issuer = read_text(*issuer, "'issuer'", report).value_or("");
    if (const YamlNode* claims = map.required("claims")) {
        const MapReader wanted(*claims, "'claims'", report);
        if (wanted.is_map() && claims->members.empty())
            report.mistake(claims->at, "'claims' without any would be every agent of the issuer; say 'sub' at least");
        decode_claims(*claims, {}, out, report);
    }
    map.finish();
    return out;
}

bool TokenPattern::matches(const model::Agent& agent) const {
    const model::AgentToken* token = agent.token.get();
    if (token == nullptr || !token->failure.empty() || token->is_pending || token->issuer != issuer) return false;
    return std::ranges::all_of(claims, [&](const model::TokenClaim& wanted) {
        const auto said = std::ranges::find(token->claims, wanted.path, &model::TokenClaim::path);
        return said != token->claims.end() && std::ranges::all_of(wanted.values, [&](const std::string& value) {
                   return std::ranges::find(said->values, value) != said->values.end();
               });
    });
}

}  // namespace assent::policy

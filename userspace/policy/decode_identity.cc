#include "policy/decode_identity.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "policy/reader.h"

namespace assent::policy {
namespace {

using Issuer = IdentitySettings::Issuer;
using Reviewers = IdentitySettings::Reviewers;

// The rest of the URL is looked at by whoever asks it.
bool is_issuer(std::string_view text) {
    static constexpr std::array<std::string_view, 3> loopback = {"http://127.", "http://[::1]", "http://localhost"};
    return text.starts_with("https://") ||
           std::ranges::any_of(loopback, [&](std::string_view start) { return text.starts_with(start); });
}

// A client's id or an audience.
std::string read_name(const YamlNode& node, std::string_view what, Reporter& report) {
    auto text = read_text(node, what, report).value_or("");
    if (text.size() > limits::token_name)
        report.mistake(node.at, fmt::format("{} is longer than {} bytes", what, limits::token_name));
    return text;
}

// "groups", or [realm_access, roles] for a member of a member.
std::vector<std::string> read_claim(const YamlNode& node, std::string_view what, Reporter& report) {
    if (node.kind == YamlNode::Kind::list) return plain_texts(read_texts(node, what, report));
    const auto text = read_text(node, what, report);
    return text ? std::vector{*text} : std::vector<std::string>();
}

std::vector<std::string> read_scopes(const YamlNode& node, Reporter& report) {
    auto placed = read_texts(node, "'scopes'", report);
    for (const auto& one : placed) {
        const bool is_scope =
            std::ranges::all_of(one.text, [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
        if (!is_scope) report.mistake(one.at, fmt::format("'{}' is not a scope", shown_text(one.text)));
    }
    return plain_texts(placed);
}

Reviewers decode_reviewers(const YamlNode& node, Reporter& report) {
    Reviewers out;
    MapReader map(node, "'reviewers'", report);
    if (const YamlNode* client = map.required("client_id")) out.client_id = read_name(*client, "'client_id'", report);
    if (const YamlNode* secret = map.optional("client_secret")) {
        MapReader source(*secret, "'client_secret'", report);
        if (const YamlNode* file = source.required("file"))
            out.client_secret = read_path(*file, "'file'", report).value_or("");
        source.finish();
    }
    if (const YamlNode* claim = map.optional("name_claim")) out.name_claim = read_claim(*claim, "'name_claim'", report);
    if (const YamlNode* claim = map.optional("groups_claim"))
        out.groups_claim = read_claim(*claim, "'groups_claim'", report);
    if (const YamlNode* claim = map.optional("unix_claim")) out.unix_claim = read_claim(*claim, "'unix_claim'", report);
    if (const YamlNode* groups = map.optional("groups")) out.groups = plain_texts(read_texts(*groups, "'groups'", report));
    if (const YamlNode* scopes = map.optional("scopes")) {
        out.scopes = read_scopes(*scopes, report);
        if (std::ranges::find(out.scopes, "openid") == out.scopes.end())
            report.mistake(scopes->at, "'scopes' lacks 'openid', without which nobody gets an ID token");
    }
    map.finish();
    return out;
}

IdentitySettings::AgentsLogin decode_login(const YamlNode& node, Reporter& report) {
    IdentitySettings::AgentsLogin out;
    MapReader map(node, "'agents_login'", report);
    if (const YamlNode* client = map.required("client_id")) out.client_id = read_name(*client, "'client_id'", report);
    if (const YamlNode* scopes = map.optional("scopes")) out.scopes = read_scopes(*scopes, report);
    if (const YamlNode* resource = map.optional("resource")) out.resource = read_name(*resource, "'resource'", report);
    map.finish();
    return out;
}

Issuer decode_issuer(const YamlNode& node, Reporter& report) {
    Issuer out;
    MapReader map(node, "an issuer", report);
    if (const YamlNode* issuer = map.required("issuer")) {
        out.issuer = read_text(*issuer, "'issuer'", report).value_or("");
        if (!out.issuer.empty() && !is_issuer(out.issuer))
            report.mistake(issuer->at,
                           fmt::format("'{}' is not the https URL of an issuer (plain http is for loopback only)",
                                       shown_text(out.issuer)));
    }
    const YamlNode* audience = map.optional("audience");
    if (audience != nullptr) out.audience = read_name(*audience, "'audience'", report);
    if (const YamlNode* ca = map.optional("ca")) out.ca = read_path(*ca, "'ca'", report).value_or("");
    if (const YamlNode* reviewers = map.optional("reviewers")) out.reviewers = decode_reviewers(*reviewers, report);
    if (const YamlNode* login = map.optional("agents_login")) {
        out.agents_login = decode_login(*login, report);
        if (audience == nullptr) report.mistake(login->at, "'agents_login' needs an 'audience' for the agents' tokens");
    }
    map.finish();
    if (!map.is_map()) return out;
    if (audience == nullptr && !out.reviewers)
        report.mistake(node.at, "an issuer is for agents ('audience'), for people ('reviewers'), or both");
    if (out.reviewers && !out.audience.empty() && out.audience == out.reviewers->client_id)
        report.mistake(audience->at,
                       "'audience' is the reviewers' client as well, so their ID tokens would be agents' tokens");
    return out;
}

void decode_unit(const YamlNode& node, IdentitySettings& identity, Reporter& report) {
    MapReader map(node, "an item of 'units'", report);
    IdentitySettings::UnitToken out;
    if (const YamlNode* unit = map.required("unit")) out.unit = read_text(*unit, "'unit'", report).value_or("");
    if (const YamlNode* file = map.required("file")) out.file = read_path(*file, "'file'", report).value_or("");
    map.finish();
    identity.units.push_back(std::move(out));
}

// The items of a list, which has some.
const std::vector<YamlNode>& items_of(const YamlNode& node, std::string_view what, Reporter& report) {
    if (node.kind != YamlNode::Kind::list || node.items.empty())
        report.mistake(node.at, fmt::format("{} has to be a list with at least one item", what));
    return node.items;
}

}  // namespace

void decode_identity(const YamlNode& node, IdentitySettings& identity, Reporter& report) {
    MapReader map(node, "'identity'", report);
    if (const YamlNode* issuers = map.required("issuers")) {
        for (const auto& item : items_of(*issuers, "'issuers'", report)) {
            auto issuer = decode_issuer(item, report);
            if (identity.find(issuer.issuer) != nullptr)
                report.mistake(item.at, fmt::format("the issuer '{}' stands twice", shown_text(issuer.issuer)));
            identity.issuers.push_back(std::move(issuer));
        }
        if (identity.issuers.size() > limits::identity_issuers)
            report.mistake(issuers->at, fmt::format("'issuers' may have {} at most", limits::identity_issuers));
    }
    if (const YamlNode* units = map.optional("units")) {
        for (const auto& item : items_of(*units, "'units'", report)) decode_unit(item, identity, report);
    }
    if (const YamlNode* skew = map.optional("clock_skew")) {
        const auto time = read_duration(*skew, "'clock_skew'", report);
        if (time) identity.clock_skew = std::chrono::floor<std::chrono::seconds>(*time);
        if (time && *time > limits::token_clock_skew_most)
            report.mistake(skew->at, "'clock_skew' may be five minutes at most: set the clocks instead");
    }
    if (const YamlNode* expiry = map.optional("at_expiry"))
        identity.finishes_transactions = read_choice(*expiry, "'at_expiry'", {"deny", "finish-transactions"}, report) == 1U;
    if (const YamlNode* local = map.optional("local_reviewers")) {
        identity.has_local_reviewers = read_choice(*local, "'local_reviewers'", {"deny", "allow"}, report) == 1U;
        if (!identity.has_reviewers())
            report.mistake(local->at,
                           "'local_reviewers' says nothing where no issuer has 'reviewers': they are allowed then");
    }
    map.finish();
}

}  // namespace assent::policy

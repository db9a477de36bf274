#include "app/issuers.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/limits.h"
#include "base/shown_text.h"
#include "kernel/confine.h"
#include "secrets/secret.h"

namespace assent::app {
namespace {

using nlohmann::json;

template <typename Has>
Result<const Issuers::Issuer*> only_one(const std::vector<Issuers::Issuer>& issuers, std::string_view name,
                                        std::string_view what, Has has) {
    std::vector<const Issuers::Issuer*> found;
    for (const auto& issuer : issuers) {
        if (has(issuer.settings) && (name.empty() || issuer.settings.issuer == name)) found.push_back(&issuer);
    }
    if (found.size() == 1) return found.front();
    if (found.empty())
        return fail(Errc::not_found, name.empty()
                                         ? fmt::format("no issuer with {} is in `identity` of this host's settings", what)
                                         : fmt::format("'{}' is no issuer with {} here", shown_text(name), what));
    std::vector<std::string> names;
    for (const auto* issuer : found) names.push_back(issuer->settings.issuer);
    return fail(Errc::invalid, fmt::format("there are several issuers; name one with --issuer: {}", fmt::join(names, ", ")));
}

// A member that says false: the provider does not know that the address is theirs.
bool is_unverified_email(const identity::Claims& claims, const std::vector<std::string>& name_claim) {
    if (name_claim != std::vector<std::string>{"email"}) return false;
    const auto verified = claims.texts({"email_verified"});
    return !verified.empty() && verified != std::vector<std::string>{"true"};
}

bool is_plain_name(const std::string& name) {
    return !name.empty() && name.size() <= limits::token_name && shown_text(name) == name;
}

}  // namespace

Result<std::unique_ptr<Issuers>> Issuers::open(const policy::IdentitySettings& settings, const Clock& clock) {
    std::unique_ptr<Issuers> out(new Issuers(settings, clock));
    for (const auto& one : settings.issuers) {
        Issuer issuer{one, nullptr, {}};
        auto provider = identity::Provider::make({one.issuer, one.ca}, clock);
        if (!provider) return std::unexpected(std::move(provider.error()));
        issuer.provider = std::move(*provider);
        if (one.reviewers) {
            issuer.reviewers_client.id = one.reviewers->client_id;
            if (!one.reviewers->client_secret.empty()) {
                auto secret = secrets::read_secret(one.reviewers->client_secret);
                if (!secret) return fail(secret.error().code, "the client secret of an issuer: " + secret.error().message);
                issuer.reviewers_client.secret = std::move(*secret);
            }
        }
        out->issuers_.push_back(std::move(issuer));
    }
    return out;
}

Result<const Issuers::Issuer*> Issuers::issuer_of(std::string_view token) const {
    const auto name = identity::unverified_issuer(token);
    if (!name) return std::unexpected(name.error());
    const auto found = std::ranges::find(issuers_, *name, [](const Issuer& one) { return one.settings.issuer; });
    if (found == issuers_.end())
        return fail(Errc::denied, fmt::format("the token is from '{}', which is not in `identity` of this host's settings",
                                              shown_text(name->substr(0, limits::token_name))));
    return &*found;
}

Result<std::shared_ptr<const model::AgentToken>> Issuers::verify_agent(std::string_view token) const {
    const auto issuer = issuer_of(token);
    if (!issuer) return std::unexpected(issuer.error());
    const auto& wanted = (*issuer)->settings;
    if (wanted.audience.empty())
        return fail(Errc::denied,
                    fmt::format("'{}' issues no tokens for agents here (`audience`)", shown_text(wanted.issuer)));
    identity::Expected expected;
    expected.audience = wanted.audience;
    expected.clock_skew = settings_.clock_skew;
    const auto claims = (*issuer)->provider->verify(token, expected, clock_.wall());
    if (!claims) return std::unexpected(claims.error());
    auto out = std::make_shared<model::AgentToken>();
    out->issuer = claims->issuer;
    out->subject = claims->subject;
    out->actors = claims->actors;
    out->claims = claims->flat();
    out->expires = claims->expires + settings_.clock_skew;
    out->finishes_transactions = settings_.finishes_transactions;
    return out;
}

Result<approve::Person> Issuers::identify(std::string_view token) const {
    const auto issuer = issuer_of(token);
    if (!issuer) return std::unexpected(issuer.error());
    const auto& reviewers = (*issuer)->settings.reviewers;
    if (!reviewers)
        return fail(Errc::denied,
                    fmt::format("'{}' is not an issuer for reviewers here", shown_text((*issuer)->settings.issuer)));
    identity::Expected expected;
    expected.audience = reviewers->client_id;
    expected.is_id_token = true;
    expected.clock_skew = settings_.clock_skew;
    const auto claims = (*issuer)->provider->verify(token, expected, clock_.wall());
    if (!claims) return std::unexpected(claims.error());
    approve::Person out;
    out.issuer = claims->issuer;
    out.subject = claims->subject;
    const auto names = claims->texts(reviewers->name_claim);
    if (names.size() != 1 || !is_plain_name(names.front()))
        return fail(Errc::denied, fmt::format("the ID token says no name: it has no single, plain '{}' (`name_claim`)",
                                              fmt::join(reviewers->name_claim, ".")));
    if (is_unverified_email(*claims, reviewers->name_claim))
        return fail(Errc::denied, "the ID token's e-mail address was never verified by the provider (`email_verified`)");
    out.name = names.front();
    for (auto& group : claims->texts(reviewers->groups_claim)) {
        if (is_plain_name(group)) out.groups.push_back(std::move(group));
    }
    if (!reviewers->unix_claim.empty()) {
        const auto users = claims->texts(reviewers->unix_claim);
        if (users.size() != 1 || !is_plain_name(users.front()))
            return fail(Errc::denied, fmt::format("the ID token does not say which user of this host you are: it has no "
                                                  "single, plain '{}' (`unix_claim`)",
                                                  fmt::join(reviewers->unix_claim, ".")));
        const auto account = kernel::account_of(users.front());
        // Who has no user here has started nothing here.
        if (!account && account.error().code != Errc::not_found) return std::unexpected(account.error());
        if (account) out.own_uid = account->uid;
    }
    const bool is_let_in = reviewers->groups.empty() || std::ranges::any_of(out.groups, [&](const std::string& group) {
                               return std::ranges::find(reviewers->groups, group) != reviewers->groups.end();
                           });
    if (!is_let_in)
        return fail(Errc::denied,
                    fmt::format("you ({}) are in none of the groups that this host's settings let in", out.name));
    return out;
}

Result<const Issuers::Issuer*> Issuers::for_reviewers(std::string_view name) const {
    return only_one(issuers_, name, "reviewers", [](const auto& issuer) { return issuer.reviewers.has_value(); });
}

Result<const Issuers::Issuer*> Issuers::for_agents(std::string_view name) const {
    return only_one(issuers_, name, "a login for agents (`agents_login`)",
                    [](const auto& issuer) { return issuer.agents_login.has_value(); });
}

json Issuers::describe() const {
    json out = json::array();
    for (const auto& one : issuers_) {
        out.push_back({{"issuer", one.settings.issuer},
                       {"for_agents", !one.settings.audience.empty()},
                       {"for_reviewers", one.settings.reviewers.has_value()},
                       {"answers", one.provider->is_answering()}});
    }
    return out;
}

}  // namespace assent::app

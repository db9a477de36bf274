#include "console/settings_of.h"

#include <fmt/format.h>

#include "secrets/secret.h"

namespace assent::console {
namespace {

using Issuer = policy::IdentitySettings::Issuer;

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : " ") + word;
    return out;
}

Result<SignInProvider> provider_of(const Issuer& issuer) {
    auto provider = identity::Provider::make({issuer.issuer, issuer.ca}, system_clock());
    if (!provider) return std::unexpected(std::move(provider.error()));
    SignInProvider out;
    out.provider = std::move(*provider);
    out.login.id = issuer.reviewers->client_id;
    out.scope = joined(issuer.reviewers->scopes);
    if (!issuer.reviewers->client_secret.empty()) {
        auto secret = secrets::read_secret(issuer.reviewers->client_secret);
        if (!secret) {
            return fail(Errc::invalid, fmt::format("{}: {}; the console needs a file of its own user, or a public client",
                                                   issuer.reviewers->client_secret.string(), secret.error().message));
        }
        out.login.secret = std::move(*secret);
    }
    return out;
}

}  // namespace

std::string host_of(std::string_view public_url) {
    std::string_view host = public_url.substr(public_url.find("//") + 2);
    if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
    return std::string(host.substr(0, host.find(':')));
}

Result<ConsoleOptions> options_of(const policy::Settings& settings) {
    if (!settings.console.is_wanted)
        return fail(Errc::invalid, settings.file.string() + " has no console (console: {public_url: …})");
    ConsoleOptions options;
    options.public_url = settings.console.public_url;
    options.socket = settings.run / "control.sock";
    options.idle = settings.console.idle;
    options.longest = settings.console.longest;
    for (const auto& issuer : settings.identity.issuers) {
        if (!issuer.reviewers) continue;
        auto provider = provider_of(issuer);
        if (!provider) return std::unexpected(std::move(provider.error()));
        options.providers.push_back(std::move(*provider));
    }
    if (options.providers.empty())
        return fail(Errc::invalid, "nobody could sign in: name an issuer with `reviewers` under `identity` in the settings");
    return options;
}

}  // namespace assent::console

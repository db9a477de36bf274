// The identity providers of the settings: whose tokens count here, for agents and for reviewers. Thread: any, but never a
// flow's: every call may ask a provider.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "approve/desk.h"
#include "base/time.h"
#include "identity/provider.h"
#include "model/agent_token.h"
#include "policy/identity_settings.h"

namespace assent::app {

class Issuers {
public:
    struct Issuer {
        policy::IdentitySettings::Issuer settings;
        std::unique_ptr<identity::Provider> provider;
        // Of reviewers; with its secret, read at the start.
        identity::ClientLogin reviewers_client;
    };

    // Asks no provider yet. Errors: Errc::invalid (an issuer that is no URL), and of reading a client's secret.
    [[nodiscard]] static Result<std::unique_ptr<Issuers>> open(const policy::IdentitySettings& settings, const Clock& clock);

    // What an agent's token says. Errc::denied and others as identity::Provider::verify.
    [[nodiscard]] Result<std::shared_ptr<const model::AgentToken>> verify_agent(std::string_view token) const;
    // The person of a reviewer's ID token: name and groups by the settings' claims. Errc::denied also for an issuer without
    // reviewers, and a token that has no name or an e-mail address that was not verified.
    [[nodiscard]] Result<approve::Person> identify(std::string_view token) const;

    // Those with reviewers, or with a login for agents; the one that is named, or the only one. Errc::invalid, not_found.
    [[nodiscard]] Result<const Issuer*> for_reviewers(std::string_view name) const;
    [[nodiscard]] Result<const Issuer*> for_agents(std::string_view name) const;

    [[nodiscard]] const policy::IdentitySettings& settings() const noexcept { return settings_; }
    // For `assent status`: each issuer, and whether it answered when it was last asked.
    [[nodiscard]] nlohmann::json describe() const;

private:
    Issuers(const policy::IdentitySettings& settings, const Clock& clock) : settings_(settings), clock_(clock) {}
    [[nodiscard]] Result<const Issuer*> issuer_of(std::string_view token) const;

    policy::IdentitySettings settings_;
    const Clock& clock_;
    std::vector<Issuer> issuers_;  // not changed after open()
};

}  // namespace assent::app

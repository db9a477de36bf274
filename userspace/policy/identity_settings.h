// The settings of identity providers: whose tokens count for agents, and by which client reviewers log in.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace assent::policy {

struct IdentitySettings {
    struct Reviewers {
        std::string client_id;                         // their ID tokens are for it
        std::filesystem::path client_secret;           // a file; empty: a public client
        std::vector<std::string> name_claim{"email"};  // a path into the token
        std::vector<std::string> groups_claim{"groups"};
        std::vector<std::string> unix_claim;  // which user of this host they are; empty: the provider does not say
        std::vector<std::string> groups;  // only who is in one of them is anybody here; empty: all that the provider lets in
        std::vector<std::string> scopes{"openid", "email", "profile"};
    };
    // By which agents log in themselves, with the device flow.
    struct AgentsLogin {
        std::string client_id;  // a public client
        std::vector<std::string> scopes;
        std::string resource;  // that the token is to be for (RFC 8707); empty: the provider decides
    };
    struct Issuer {
        std::string issuer;
        std::string audience;      // that agents' tokens must have; empty: it issues none for agents
        std::filesystem::path ca;  // certificates instead of the system's
        std::optional<Reviewers> reviewers;
        std::optional<AgentsLogin> agents_login;
    };
    struct UnitToken {
        std::string unit;  // a glob
        std::string file;  // with {unit} for the unit's name
    };
    std::vector<Issuer> issuers;
    std::vector<UnitToken> units;
    std::chrono::seconds clock_skew{60};
    bool finishes_transactions = false;  // that were open when the agent's token expired
    bool has_local_reviewers = false;    // people of this host answer as well, though reviewers have an issuer

    [[nodiscard]] bool has_reviewers() const noexcept {
        for (const auto& one : issuers) {
            if (one.reviewers) return true;
        }
        return false;
    }
    [[nodiscard]] const Issuer* find(std::string_view issuer) const noexcept {
        for (const auto& one : issuers) {
            if (one.issuer == issuer) return &one;
        }
        return nullptr;
    }
};

}  // namespace assent::policy

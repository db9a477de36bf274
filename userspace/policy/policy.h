// A policy set: the union of all YAML files of a directory, decoded strictly, immutable. POLICY semantics in one place:
// deny > hold > allow, every object of every effect covered, order never matters.
// Thread: any; a reload makes a new Policy and swaps the shared pointer.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/time.h"
#include "model/address.h"
#include "model/agent.h"
#include "model/mask.h"
#include "model/verdict.h"
#include "policy/settings.h"
#include "sql/analyse.h"

namespace assent::policy {

struct TargetAddress {
    std::string host;  // a name as written, empty for an address
    std::optional<model::IpAddress> network;
    unsigned prefix_bits = 0;
    std::uint16_t port = 0;
    std::string unix_name = {};  // of a unix socket, which has nothing else
};

enum class Protocol : std::uint8_t { tcp, postgres };
enum class UpstreamTls : std::uint8_t { disable, require, verify_full };

struct Target {
    std::string name;
    Protocol protocol = Protocol::tcp;
    std::vector<TargetAddress> addresses;
    std::vector<std::string> databases;  // empty: any
    UpstreamTls tls = UpstreamTls::disable;
    std::filesystem::path tls_ca;
    std::string tls_name;
    std::string credential;  // empty: what the agent sends is passed on
};

struct Reviewers {
    std::vector<std::string> users;
    std::vector<std::string> groups;
};

// From some time after a stage began, others may answer it too.
struct Escalation {
    std::chrono::seconds after{0};
    Reviewers to;
};

struct Stage {
    Reviewers reviewers;
    std::uint32_t quorum = 1;  // distinct persons
    std::optional<Escalation> escalation;
};

struct Approval {
    std::string name;
    std::chrono::seconds wait{60};
    std::chrono::seconds deadline{15 * 60};
    bool holds_in_transaction = false;
    std::vector<Stage> stages;  // in order; one at least
    // Break glass: one answer lets all that needs this approval through for so long; it is reviewed afterwards.
    std::optional<std::chrono::seconds> break_glass;
};

// What agents may know of the rules and masks that concern them.
struct RuleSummary {
    std::string name;
    model::Decision verdict = model::Decision::deny;
    std::vector<std::string> targets;     // "any", or names
    std::vector<std::string> operations;  // "any", or names
    std::vector<std::string> objects;
    bool has_exceptions = false;
    bool has_conditions = false;
    std::string approval;
    std::string message;
    std::optional<model::RuleLimit> limit;
};

struct MaskSummary {
    std::string name;
    std::vector<std::string> columns;
    std::string method;
};

struct Credential {
    std::string name;
    std::string user;
    std::filesystem::path password_file;
};

// Addresses that names have led to, for targets that are given by name.
class NameLookup {
public:
    virtual ~NameLookup() = default;
    // Has `host` been seen to resolve to `address`, and not expired.
    [[nodiscard]] virtual bool leads_to(std::string_view host, const model::IpAddress& address) const = 0;
};

// What a command shows to the rules.
struct Question {
    std::span<const model::Effect> effects;
    std::span<const std::string> functions;
    std::string_view text;
    WallTime when;
};

class Policy;

// The rules and masks that concern one agent, target and database: made once a flow and policy, then asked often.
class Scope : public sql::MaskLookup {
public:
    [[nodiscard]] virtual model::Verdict judge(const Question& question) const = 0;
    [[nodiscard]] virtual bool has_masks() const noexcept = 0;
    // Under both, every text has the same effects and masks: masks and harmless functions are the same.
    [[nodiscard]] virtual bool analyses_like(const Scope& other) const = 0;
    [[nodiscard]] virtual bool is_harmless(std::string_view schema, std::string_view function) const = 0;
    [[nodiscard]] virtual const std::vector<std::string>& agents() const noexcept = 0;  // the named sets that matched
    // What of the agent, target and database goes into digests and records.
    [[nodiscard]] virtual const std::string& target() const noexcept = 0;
};

class Policy {
public:
    virtual ~Policy() = default;

    // `revision` counts the sets that were in force on this host; the digest names the content.
    [[nodiscard]] static std::expected<std::shared_ptr<const Policy>, std::vector<Diagnostic>> load(
        const std::filesystem::path& directory, std::uint64_t revision);
    // Checks what only the settings can tell: agents outside `govern`, approvals that nobody in `decide` can give.
    [[nodiscard]] virtual std::vector<Diagnostic> check_against(const Settings& settings) const = 0;

    [[nodiscard]] virtual std::uint64_t revision() const noexcept = 0;
    [[nodiscard]] virtual const Digest& digest() const noexcept = 0;
    // Every file as it was read, for the record and for the copy of the last good set.
    [[nodiscard]] virtual const std::map<std::string, std::string>& files() const noexcept = 0;

    [[nodiscard]] virtual const std::vector<Target>& targets() const noexcept = 0;
    // The target with the longest matching prefix; nullptr: unlisted.
    [[nodiscard]] virtual const Target* target_at(const model::Endpoint& endpoint, const NameLookup& names) const = 0;
    [[nodiscard]] virtual std::vector<std::string> agents_matching(const model::Agent& agent) const = 0;
    // May `runner` (a unix user name) claim the run name; names that no agent set mentions may not be claimed.
    [[nodiscard]] virtual bool may_run(std::string_view run_name, std::string_view runner) const = 0;
    [[nodiscard]] virtual std::unique_ptr<const Scope> scope(std::vector<std::string> agents, std::string_view target,
                                                             std::string_view database) const = 0;
    [[nodiscard]] virtual const Approval* approval(std::string_view name) const = 0;
    [[nodiscard]] virtual const Credential* credential(std::string_view name) const = 0;
    // The named agent sets that are defined, sorted.
    [[nodiscard]] virtual std::vector<std::string> agent_sets() const { return {}; }
    // Of the user's own rules and masks, those that concern an agent of these sets, sorted by name.
    [[nodiscard]] virtual std::vector<RuleSummary> rules_for(const std::vector<std::string>& agents) const = 0;
    [[nodiscard]] virtual std::vector<MaskSummary> masks_for(const std::vector<std::string>& agents) const = 0;
    // The `observe` entries in force, as text for `status`.
    [[nodiscard]] virtual std::vector<std::string> observed(WallTime now) const = 0;
    // What `assent policy builtin` prints.
    [[nodiscard]] static std::string_view builtin_text() noexcept;
};

}  // namespace assent::policy

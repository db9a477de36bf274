// A command that waits for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/time.h"
#include "model/estimate.h"

namespace assent::model {

enum class HoldState : std::uint8_t { waiting = 0, approved, used, denied, expired, cancelled, revoked };

[[nodiscard]] std::string_view name_of(HoldState state) noexcept;
[[nodiscard]] std::optional<HoldState> hold_state_named(std::string_view name) noexcept;

// One stage of an approval: so many of these people, and from its escalation on of those too.
struct HoldStage {
    std::vector<std::string> users;
    std::vector<std::string> groups;
    std::uint32_t quorum = 1;                            // distinct persons
    std::optional<std::chrono::seconds> escalate_after;  // since the stage began
    std::vector<std::string> escalate_users;
    std::vector<std::string> escalate_groups;
    bool operator==(const HoldStage&) const = default;
};

// One approval that a hold needs, as the policy said when the hold was opened.
struct HoldApproval {
    std::string name;
    std::vector<HoldStage> stages;  // in order
    std::optional<std::chrono::seconds> break_glass;
    bool operator==(const HoldApproval&) const = default;
};

// Who answered for `given` has answered all that is `wanted`: the same approvals by the same people, or more of them.
[[nodiscard]] bool covers(const std::vector<HoldApproval>& given, const std::vector<HoldApproval>& wanted);

// A person or service of an identity provider.
struct Principal {
    std::string issuer;
    std::string subject;
    bool operator==(const Principal&) const = default;
};

// What a session asks for. Texts are as the agent sent them; whoever shows them escapes them (shown_text).
struct HoldRequest {
    Digest digest{};
    Digest shape{};  // what a widened approval is for: as the digest, without the values and constants. Zero: nothing is
    std::string session;
    std::string agent;  // name
    std::vector<std::string> agent_sets;
    std::uint64_t cgroup_id = 0;
    std::uint32_t agent_uid = 0;
    std::optional<std::uint32_t> runner_uid;  // who started the agent
    std::vector<Principal> acts_for;          // by the agent's token, its subject first: none of them approves
    std::string exe;
    std::string purpose;
    std::string target;
    std::string database;
    std::string database_user;
    std::string text;
    std::vector<std::string> executes;    // the statements that names in it stand for (EXECUTE)
    std::vector<std::string> parameters;  // shown forms: "NULL", "'text'", "\\x…"
    std::vector<std::string> rules;
    std::string message;
    std::vector<std::string> effects;  // "update public.orders"
    std::vector<std::string> before;   // the session's last commands, newest last
    Estimate estimate;                 // of the rows that it would touch
    bool is_in_transaction = false;
    WallTime in_transaction_since{};  // when the server said so first: what it locked since then is still locked
    std::uint64_t policy_revision = 0;
    std::vector<HoldApproval> approvals;
    std::chrono::seconds wait{60};
    std::chrono::seconds deadline{900};
};

struct HoldStatus {
    std::string id;  // "h-7k2mq4"
    HoldState state = HoldState::waiting;
    WallTime deadline;
    std::string decided_by;  // person; empty while waiting
    std::string reason;
    std::string grant;    // the widened approval or broken glass that lets it through: revoked, what runs under it ends
    bool is_new = false;  // this request opened it
};

}  // namespace assent::model

// What was allowed beyond one command: a widened approval (a statement's shape), or broken glass (all that needs an
// approval), of one agent at one database, for a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "approve/person.h"
#include "base/digest.h"
#include "base/result.h"
#include "base/time.h"
#include "model/hold.h"

namespace assent::approve {

enum class GrantKind : std::uint8_t { shape = 0, glass };

[[nodiscard]] constexpr std::string_view name_of(GrantKind kind) noexcept {
    return kind == GrantKind::shape ? "shape" : "glass";
}

struct Grant {
    std::string id;  // "w-7k2mq4" of a shape, "g-7k2mq4" of broken glass
    GrantKind kind = GrantKind::shape;
    std::string hold;  // that it was given for
    std::string agent;
    std::uint32_t agent_uid = 0;
    std::optional<std::uint32_t> runner_uid;  // who started the agent: nobody widens an approval to an agent of their own
    std::string target;
    std::string database;
    std::string database_user;
    Digest shape{};
    std::vector<model::HoldApproval> approvals;  // that it gives
    std::string text;                            // of the hold's command, cut, for people
    std::string given_by;
    std::vector<PersonKey> givers;
    std::string reason;
    WallTime opened;
    WallTime until;
    std::uint32_t times = 0;  // 0: as often as it likes
    std::uint64_t used = 0;
    std::string revoked_by;  // empty: it was not
    std::string revoke_reason;
    WallTime revoked;
    std::string reviewed_by;  // of broken glass
    std::string review;
    WallTime reviewed;

    [[nodiscard]] bool needs_review() const { return kind == GrantKind::glass && reviewed_by.empty(); }
};

// Told of a change to a grant before it takes effect; an error keeps it from that.
using GrantWitness = std::function<Result<>(const Grant& after)>;

}  // namespace assent::approve

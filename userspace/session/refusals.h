// What agents are told when assent refuses or holds: one place, so that every refusal reads the same to people, to scripts
// and to language models. DETAIL is made of key=value words: cause, rule, hold, deadline, retry.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/hold.h"
#include "model/verdict.h"
#include "wire/adapter.h"

namespace assent::session {

// A rule, or the lack of one, denies. retry=never.
[[nodiscard]] wire::Refusal denied_by_policy(const model::Verdict& verdict);
// A rule would hold, but the transaction has already written and would keep its locks. retry=later.
[[nodiscard]] wire::Refusal denied_in_transaction(const model::Verdict& verdict);
// A person said no, or the time ran out. retry=never, retry=later.
[[nodiscard]] wire::Refusal denied_by_hold(const model::HoldStatus& status, const model::Verdict& verdict);
// The connection waited long enough; the hold lives on. retry=after-approval.
[[nodiscard]] wire::Refusal still_waiting(const model::HoldStatus& status, const model::Verdict& verdict);
// A rule's limit of commands is reached. retry=later.
[[nodiscard]] wire::Refusal denied_by_limit(const model::Verdict& verdict);
// The agent is suspended. retry=later.
[[nodiscard]] wire::Refusal suspended(std::string_view why);
// The hold could not be opened (too many, or the store failed). retry=later.
[[nodiscard]] wire::Refusal cannot_hold(std::string_view why, const model::Verdict& verdict);
// The agent's token has expired, or could not be verified. retry=after-login.
[[nodiscard]] wire::Refusal denied_by_token(std::string_view why, std::string_view renewal);
// Other sessions change what its names mean, so that they cannot be told. retry=later.
[[nodiscard]] wire::Refusal denied_by_changed_names();
// A portal that changes what names mean is executed long after it was bound. retry=later.
[[nodiscard]] wire::Refusal denied_late();
// Records cannot be written. retry=later.
[[nodiscard]] wire::Refusal denied_by_records();
// No target of the policy has this address. retry=never.
[[nodiscard]] wire::Refusal not_a_target(std::string_view address);
// The target has a credential that cannot be read; the reason is for the record, not for the agent. retry=later.
[[nodiscard]] wire::Refusal no_credential(std::string_view target, std::string_view credential);
// The target does not answer (retry=later), or is not the one that the policy means (retry=never).
[[nodiscard]] wire::Refusal cannot_connect(std::string_view target, std::string_view address, std::string_view why);
[[nodiscard]] wire::Refusal cannot_trust(std::string_view target, std::string_view why);
// The agent cancelled the command while it was held.
[[nodiscard]] wire::Refusal cancelled();
// An administrator or a shutdown ends the session.
[[nodiscard]] wire::Refusal ended(std::string_view by, std::string_view reason);
// The note that a held command gives at once.
[[nodiscard]] wire::Refusal held_note(const model::HoldStatus& status, const model::Verdict& verdict, Duration wait);

}  // namespace assent::session

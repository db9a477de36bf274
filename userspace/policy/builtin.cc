#include "policy/builtin.h"

namespace assent::policy {

std::string_view builtin_source() noexcept {
    return R"(# What drivers do before their first command. It stands in every policy set, below the rules of the set: a deny or a hold of yours
# wins, and it covers only what none of your rules covers. `builtin: off` at the top of any file takes it away.
version: 1
rules:
  - name: builtin-connect             # only where another rule allows or holds something for the agent at the target, and not at tcp targets
    agents: [any]
    targets: [any]
    operations: [connect]
    objects: [any]
    verdict: allow
  - name: builtin-transactions
    agents: [any]
    targets: [any]
    operations: [transaction]
    objects: [any]
    verdict: allow
  - name: builtin-show                # SHOW, current_setting
    agents: [any]
    targets: [any]
    operations: [read]
    objects: ["setting.*"]
    verdict: allow
  - name: builtin-client-settings     # how values are written for the client
    agents: [any]
    targets: [any]
    operations: [session]
    objects: [setting.timezone, setting.datestyle, setting.application_name, setting.extra_float_digits, setting.intervalstyle,
              setting.bytea_output, setting.statement_timeout]
    verdict: allow
  - name: builtin-client-encoding     # at start-up, where the session watches what it becomes; later only UTF8
    agents: [any]
    targets: [any]
    operations: [session]
    objects: [setting.client_encoding]
    when: {matches: '(?i)^(connect to .*|\s*set\s+(session\s+|local\s+)?(client_encoding\s*(=|\s+to)|names)\s*''?utf-?8''?\s*;?\s*)$'}
    verdict: allow
  - name: builtin-catalog             # reads; a function that is not known harmless is 'execute', and not covered here
    agents: [any]
    targets: [any]
    operations: [read]
    objects: ["@catalog"]
    verdict: allow
)";
}

}  // namespace assent::policy

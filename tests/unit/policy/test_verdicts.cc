// What decides: deny > hold > allow, coverage of every object, conditions, exceptions, names that cannot be resolved.
#include "unit/policy/policy_fixture.h"

namespace assent::policy {
namespace {

using model::Decision;
using model::Operation;
using model::WhereClause;

std::string verdict_of(const std::string& rules, const Asked& asked) {
    return verdict_text(judge(*policy_of(world + rules), asked));
}

constexpr const char* reads = R"(
rules:
  - {name: reads, agents: [bot], targets: [db], operations: [read], objects: ["public.*"], verdict: allow}
)";

TEST(Verdicts, NothingIsAllowedWithoutARule) {
    const auto verdict = judge(*policy_of(world), {{effect(Operation::read, {"public.orders"})}});
    EXPECT_EQ(verdict.decision, Decision::deny);
    EXPECT_TRUE(verdict.rules.empty());
    EXPECT_EQ(verdict.message, "No rule allows 'read' on public.orders.");
    EXPECT_EQ(verdict.policy_revision, 7U);
}

TEST(Verdicts, ARuleCoversWhatItNames) {
    EXPECT_EQ(verdict_of(reads, {{effect(Operation::read, {"public.orders"})}}), "allow: reads");
    EXPECT_EQ(verdict_of(reads, {{effect(Operation::remove, {"public.orders"})}}), "deny");
    EXPECT_EQ(verdict_of(reads, {{effect(Operation::read, {"audit.orders"})}}), "deny");
    EXPECT_EQ(verdict_of(reads, {{effect(Operation::read, {"public.orders.id"})}}), "deny");
}

TEST(Verdicts, EveryObjectHasToBeCovered) {
    const auto verdict =
        judge(*policy_of(world + reads), {{effect(Operation::read, {"public.orders", "audit.log", "public.a"})}});
    EXPECT_EQ(verdict.decision, Decision::deny);
    EXPECT_EQ(verdict.message, "No rule allows 'read' on audit.log.");
}

TEST(Verdicts, OtherAgentsAndTargetsAreNotMeant) {
    const auto policy = policy_of(world + reads);
    const Asked asked{{effect(Operation::read, {"public.orders"})}};
    EXPECT_EQ(judge(*policy, asked, {"other"}).decision, Decision::deny);
    EXPECT_EQ(judge(*policy, asked, {"bot"}, "second").decision, Decision::deny);
    EXPECT_EQ(judge(*policy, asked, {}).decision, Decision::deny);
    EXPECT_EQ(judge(*policy, asked, {"bot", "other"}).decision, Decision::allow);
}

TEST(Verdicts, DenyWinsOverHoldWinsOverAllow) {
    const std::string rules = R"(
rules:
  - {name: all, agents: [any], targets: [any], operations: [any], objects: [any], verdict: allow}
  - {name: ask, agents: [bot], targets: [db], operations: [writes], objects: ["public.*"], verdict: hold, approval: dba}
  - {name: ask-more, agents: [bot], targets: [db], operations: [update], objects: [public.pay], verdict: hold, approval: security, message: Money.}
  - {name: never, operations: [ddl], verdict: deny, message: Schema changes go through the pipeline.}
)";
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::read, {"public.a"})}}), "allow: all");
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::insert, {"public.a"})}}), "hold: ask");
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::insert, {"public.a"}), effect(Operation::drop, {"public.a"})}}),
              "deny: never");
    const auto both = judge(*policy_of(world + rules), {{effect(Operation::update, {"public.pay"})}});
    EXPECT_EQ(verdict_text(both), "hold: ask, ask-more");
    EXPECT_EQ(both.approvals, (std::vector<std::string>{"dba", "security"}));
    const auto denied = judge(*policy_of(world + rules), {{effect(Operation::drop, {"public.a"})}});
    EXPECT_EQ(denied.message, "Schema changes go through the pipeline.");
    EXPECT_TRUE(denied.approvals.empty());
    ASSERT_EQ(denied.effects.size(), 1U);
    EXPECT_EQ(denied.effects[0].rules, std::vector<std::string>{"never"});
}

TEST(Verdicts, AHoldCoversToo) {
    const std::string rules = R"(
rules:
  - {name: ask, agents: [bot], targets: [db], operations: [writes], objects: ["public.*"], verdict: hold, approval: dba}
)";
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::update, {"public.a"})}}), "hold: ask");
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::update, {"public.a", "audit.a"})}}), "deny");
}

TEST(Verdicts, ExceptTakesAwayFromItsOwnRuleOnly) {
    const std::string rules = R"(
rules:
  - {name: ask, agents: [bot], targets: [db], operations: [writes], objects: [any], except: {objects: [public.jobs]}, verdict: hold, approval: dba}
  - {name: jobs, agents: [bot], targets: [db], operations: [insert], objects: [public.jobs], verdict: allow}
)";
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::insert, {"public.jobs"})}}), "allow: jobs");
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::update, {"public.jobs"})}}), "deny");
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::update, {"public.a"})}}), "hold: ask");
    // A name that may be another relation takes nothing away from a hold, and is not surely the one that is allowed.
    EXPECT_EQ(verdict_of(rules, {{unresolved(Operation::insert, "jobs")}}), "hold: ask");
}

TEST(Verdicts, AllKeysOfAnExceptHaveToHold) {
    const std::string rules = R"(
rules:
  - {name: most, agents: [any], targets: [any], operations: [any], objects: [any], except: {agents: [other], operations: [ddl]}, verdict: allow}
)";
    const auto policy = policy_of(world + rules);
    const Asked drop{{effect(Operation::drop, {"public.a"})}};
    EXPECT_EQ(judge(*policy, drop, {"bot"}).decision, Decision::allow);
    EXPECT_EQ(judge(*policy, drop, {"other"}).decision, Decision::deny);
    EXPECT_EQ(judge(*policy, {{effect(Operation::read, {"public.a"})}}, {"other"}).decision, Decision::allow);
}

TEST(Verdicts, UnresolvedNamesMatchEveryDenyAndHoldButNoAllow) {
    const std::string rules = R"(
rules:
  - {name: reads, agents: [bot], targets: [db], operations: [read], objects: ["*.*", public.orders, "@catalog"], verdict: allow}
  - {name: no-salaries, operations: [read], objects: [hr.salaries], verdict: deny}
  - {name: ask, agents: [bot], targets: [db], operations: [update], objects: [public.orders], verdict: hold, approval: dba}
)";
    EXPECT_EQ(verdict_of(rules, {{unresolved(Operation::read, "orders")}}), "deny");
    EXPECT_EQ(verdict_of(rules, {{unresolved(Operation::read, "salaries")}}), "deny: no-salaries");
    EXPECT_EQ(verdict_of(rules, {{unresolved(Operation::read, "elsewhere.salaries")}}), "deny: no-salaries");
    EXPECT_EQ(verdict_of(rules, {{unresolved(Operation::update, "orders")}}), "hold: ask");
    EXPECT_EQ(verdict_of(rules, {{unresolved(Operation::update, "customers")}}), "deny");
    const std::string any = R"(
rules:
  - {name: all, agents: [bot], targets: [db], operations: [read], objects: [any], verdict: allow}
)";
    EXPECT_EQ(verdict_of(any, {{unresolved(Operation::read, "orders")}}), "allow: all");
}

TEST(Verdicts, WildcardsDoNotCoverWhatHoldsDataOfOthers) {
    const std::string rules = R"(
rules:
  - {name: reads, agents: [bot], targets: [db], operations: [read], objects: ["pg_catalog.*", "*.*", "@catalog", pg_catalog.pg_stats], verdict: allow}
)";
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::read, {"pg_catalog.pg_class"})}}), "allow: reads");
    for (const char* name : {"pg_statistic", "pg_statistic_ext_data", "pg_stats_ext", "pg_stats_ext_exprs",
                             "pg_stat_activity", "pg_authid", "pg_shadow", "pg_largeobject"}) {
        EXPECT_EQ(verdict_of(rules, {{effect(Operation::read, {std::string("pg_catalog.") + name})}}), "deny") << name;
    }
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::read, {"pg_toast.pg_toast_16390"})}}), "deny");
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::read, {"pg_catalog.pg_stats"})}}), "allow: reads");
    const std::string deny =
        std::string(reads) + "  - {name: no-catalog, operations: [read], objects: [\"pg_catalog.*\"], verdict: deny}\n";
    EXPECT_EQ(verdict_of(deny, {{effect(Operation::read, {"pg_catalog.pg_authid"})}}), "deny: no-catalog");
}

TEST(Verdicts, EffectsWithoutObjectsAreCoveredByAnyRuleThatNamesTheOperation) {
    EXPECT_EQ(verdict_of(reads, {{effect(Operation::read)}}), "allow: reads");
    EXPECT_EQ(verdict_of(reads, {{effect(Operation::lock)}}), "deny");
    EXPECT_EQ(verdict_of(reads, {{effect(Operation::update)}}), "deny");
    // A hold or a deny of one relation says nothing of `SELECT 1`.
    const std::string rules = std::string(reads) +
                              "  - {name: ask, agents: [bot], targets: [db], operations: [read], objects: [public.pay], "
                              "verdict: hold, approval: dba}\n"
                              "  - {name: never, operations: [read], objects: [public.secret], verdict: deny}\n";
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::read)}}), "allow: reads");
}

TEST(Verdicts, AnEffectThatLacksItsObjectIsCoveredByAnyOnly) {
    const std::string rules = R"(
rules:
  - {name: writes, agents: [bot], targets: [db], operations: [writes], objects: ["*.*"], verdict: allow}
)";
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::insert)}}), "deny");
}

TEST(Verdicts, WhereClause) {
    const std::string rules = R"(
rules:
  - {name: all, agents: [any], targets: [any], operations: [any], objects: [any], verdict: allow}
  - {name: no-unbounded-writes, operations: [update, delete], when: {where_clause: absent}, verdict: deny, message: An UPDATE or DELETE needs a WHERE clause.}
)";
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::update, {"public.a"}, WhereClause::absent)}}),
              "deny: no-unbounded-writes");
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::update, {"public.a"}, WhereClause::present)}}), "allow: all");
    // A condition that cannot be evaluated holds in a deny rule.
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::remove, {"public.a"})}}), "deny: no-unbounded-writes");
    const std::string allow = R"(
rules:
  - {name: bounded, agents: [any], targets: [any], operations: [update], objects: [any], when: {where_clause: present}, verdict: allow}
)";
    EXPECT_EQ(verdict_of(allow, {{effect(Operation::update, {"public.a"}, WhereClause::present)}}), "allow: bounded");
    EXPECT_EQ(verdict_of(allow, {{effect(Operation::update, {"public.a"})}}), "deny");
}

TEST(Verdicts, Functions) {
    const std::string rules = R"(
rules:
  - {name: refresh, agents: [bot], targets: [db], operations: [execute], objects: [any], when: {functions: ["reporting.*"]}, verdict: allow}
  - {name: no-sleep, operations: [execute], when: {functions: [pg_sleep, "dblink.*"]}, verdict: deny}
)";
    const auto calls = [](std::vector<std::string> functions) {
        return Asked{{effect(Operation::execute, {functions[0]})}, functions};
    };
    EXPECT_EQ(verdict_of(rules, calls({"reporting.refresh"})), "allow: refresh");
    EXPECT_EQ(verdict_of(rules, calls({"reporting.refresh", "evil.f"})), "deny");
    EXPECT_EQ(verdict_of(rules, calls({"refresh"})), "deny: no-sleep");  // of which schema is not known: it may be dblink
    EXPECT_EQ(verdict_of(rules, calls({"reporting.refresh", "pg_catalog.pg_sleep"})), "deny: no-sleep");
    EXPECT_EQ(verdict_of(rules, calls({"pg_sleep"})), "deny: no-sleep");
}

TEST(Verdicts, ARegexNarrows) {
    const std::string rules = R"(
rules:
  - {name: one, agents: [bot], targets: [db], operations: [read], objects: [any], when: {matches: "^SELECT id "}, verdict: allow}
)";
    const auto asks = [](const std::string& text) { return Asked{{effect(Operation::read, {"public.a"})}, {}, text}; };
    EXPECT_EQ(verdict_of(rules, asks("SELECT id FROM a")), "allow: one");
    EXPECT_EQ(verdict_of(rules, asks("SELECT name FROM a")), "deny");
    EXPECT_EQ(verdict_of(rules, asks("")), "deny");
}

TEST(Verdicts, TheFileForIsWhatARuleLeavesOut) {
    const std::string first =
        "version: 1\nfor: {agents: [bot], targets: [db]}\nrules:\n"
        "  - {name: reads, operations: [read], objects: [any], verdict: allow}\n"
        "  - {name: wide, agents: [any], operations: [lock], objects: [any], verdict: allow}\n"
        "  - {name: no-drop, operations: [drop], verdict: deny}\n";
    const auto policy = policy_of(std::map<std::string, std::string>{{"a.yaml", first}, {"b.yaml", world}});
    EXPECT_EQ(verdict_text(judge(*policy, {{effect(Operation::read, {"a.b"})}})), "allow: reads");
    EXPECT_EQ(verdict_text(judge(*policy, {{effect(Operation::read, {"a.b"})}}, {"other"})), "deny");
    EXPECT_EQ(verdict_text(judge(*policy, {{effect(Operation::lock, {"a.b"})}}, {"other"})), "allow: wide");
    EXPECT_EQ(verdict_text(judge(*policy, {{effect(Operation::drop, {"a.b"})}})), "deny: no-drop");
    EXPECT_EQ(verdict_text(judge(*policy, {{effect(Operation::drop, {"a.b"})}}, {"other"})), "deny");
}

TEST(Verdicts, TheBuiltinSetIsWhatDriversNeed) {
    EXPECT_EQ(verdict_of("", {{effect(Operation::transaction)}}), "allow: builtin-transactions");
    EXPECT_EQ(verdict_of("", {{effect(Operation::session, {"setting.timezone"})}}), "allow: builtin-client-settings");
    EXPECT_EQ(verdict_of("", {{effect(Operation::session, {"setting.search_path"})}}), "deny");
    EXPECT_EQ(verdict_of("", {{effect(Operation::read, {"pg_catalog.pg_type"})}}), "allow: builtin-catalog");
    EXPECT_EQ(verdict_of("", {{effect(Operation::read, {"pg_catalog.pg_stat_activity"})}}), "deny");
    EXPECT_EQ(verdict_of("builtin: off\n", {{effect(Operation::transaction)}}), "deny");
    EXPECT_EQ(verdict_of("rules: [{name: no-begin, operations: [transaction], verdict: deny}]\n",
                         {{effect(Operation::transaction)}}),
              "deny: no-begin");
    // What one of the user's rules covers is told by that rule.
    EXPECT_EQ(verdict_of(reads, {{effect(Operation::read)}}), "allow: reads");
}

TEST(Verdicts, ConnectingNeedsARuleAtTheTarget) {
    const Asked connect{{effect(Operation::connect, {"shop"})}};
    EXPECT_EQ(verdict_of("", connect), "deny");
    EXPECT_EQ(verdict_of(reads, connect), "allow: builtin-connect");
    const auto policy = policy_of(world + reads);
    EXPECT_EQ(judge(*policy, connect, {"other"}).decision, Decision::deny);
    const std::string api =
        "rules: [{name: all, agents: [bot], targets: [any], operations: [read], objects: [any], verdict: allow}]\n";
    EXPECT_EQ(judge(*policy_of(world + api), connect, {"bot"}, "model-api").decision, Decision::deny);
    const std::string named =
        "rules: [{name: api, agents: [bot], targets: [model-api], operations: [connect], objects: [any], verdict: allow}]\n";
    EXPECT_EQ(verdict_text(judge(*policy_of(world + named), connect, {"bot"}, "model-api")), "allow: api");
}

TEST(Verdicts, ADatabaseThatTheTargetDoesNotHaveIsDenied) {
    const auto policy = policy_of(
        "agents: {bot: [{unit: bot.service}]}\n"
        "targets: {db: {protocol: postgres, addresses: [\"127.0.0.1:5432\"], databases: [shop]}}\n"
        "rules: [{name: all, agents: [bot], targets: [db], operations: [any], objects: [any], verdict: allow}]\n");
    const Asked asked{{effect(Operation::read, {"public.a"})}};
    EXPECT_EQ(judge(*policy, asked, {"bot"}, "db", "shop").decision, Decision::allow);
    EXPECT_EQ(judge(*policy, asked, {"bot"}, "db", "").decision, Decision::allow);
    const auto verdict = judge(*policy, asked, {"bot"}, "db", "hr");
    EXPECT_EQ(verdict.decision, Decision::deny);
    EXPECT_EQ(verdict.message, "Target 'db' has no database 'hr' in its policy.");
}

TEST(Verdicts, ObserveSaysWhatWouldBe) {
    const std::string observe = "observe: [{agents: [bot], targets: [db], until: 2026-06-15}]\n";
    const auto policy = policy_of(world + observe);
    Asked asked{{effect(Operation::drop, {"public.a"})}};
    auto verdict = judge(*policy, asked);
    EXPECT_EQ(verdict.decision, Decision::deny);
    EXPECT_TRUE(verdict.is_observed);
    EXPECT_FALSE(verdict.is_cacheable);
    EXPECT_EQ(verdict.enforced(), Decision::allow);
    EXPECT_EQ(policy->observed(asked.when).size(), 1U);
    asked.when += std::chrono::hours(12);  // the day is over
    EXPECT_FALSE(judge(*policy, asked).is_observed);
    EXPECT_TRUE(policy->observed(asked.when).empty());
    EXPECT_FALSE(judge(*policy, asked, {"other"}).is_observed);
}

TEST(Verdicts, AQuotedDotIsPartOfAName) {
    const std::string rules = R"(
rules:
  - {name: odd, agents: [bot], targets: [db], operations: [read], objects: ['public.a\.b', "public.Weird Name"], verdict: allow}
)";
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::read, {"public.a\\.b"})}}), "allow: odd");
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::read, {"public.a.b"})}}), "deny");
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::read, {"public.Weird Name"})}}), "allow: odd");
    EXPECT_EQ(verdict_of(rules, {{effect(Operation::read, {"public.weird name"})}}), "deny");
    // The dot of a name does not make a schema of it.
    EXPECT_EQ(verdict_of(reads, {{effect(Operation::read, {"public\\.orders"})}}), "deny");
}

TEST(Verdicts, TheLimitsOfTheRulesThatDecidedAreTold) {
    const std::string rules = R"(
rules:
  - {name: few, agents: [bot], targets: [db], operations: [read], objects: [public.a], verdict: allow, limit: {commands: 20, per: 1h, then: hold}, approval: dba}
  - {name: more, agents: [bot], targets: [db], operations: [read], objects: ["public.*"], verdict: allow}
  - {name: held, agents: [bot], targets: [db], operations: [update], objects: [public.a], verdict: hold, approval: dba, limit: {commands: 2, per: 90s, then: deny}}
  - {name: never, operations: [drop], verdict: deny}
)";
    const auto policy = policy_of(world + rules);
    EXPECT_TRUE(judge(*policy, {{effect(Operation::read, {"public.b"})}}).limits.empty());
    const auto few = judge(*policy, {{effect(Operation::read, {"public.a"})}});
    EXPECT_EQ(verdict_text(few), "allow: few, more");
    ASSERT_EQ(few.limits.size(), 1U) << "also where a rule without one covers it: the stricter counts";
    EXPECT_EQ(few.limits[0].rule, "few");
    EXPECT_EQ(few.limits[0].commands, 20U);
    EXPECT_EQ(few.limits[0].per, std::chrono::hours(1));
    EXPECT_EQ(few.limits[0].then, Decision::hold);
    EXPECT_EQ(few.limits[0].approval, "dba");
    const auto both = judge(*policy, {{effect(Operation::read, {"public.a"}), effect(Operation::update, {"public.a"})}});
    EXPECT_EQ(both.decision, Decision::hold);
    EXPECT_EQ(both.limits.size(), 2U);
    EXPECT_TRUE(
        judge(*policy, {{effect(Operation::read, {"public.a"}), effect(Operation::drop, {"public.a"})}}).limits.empty());
}

}  // namespace
}  // namespace assent::policy

// `policy explain` and `policy test` without the program around them; the sample policies keep their promises.
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "policy/explain.h"
#include "policy/policy_test.h"
#include "unit/policy/policy_fixture.h"

namespace assent::policy {
namespace {

const std::string shop = world + R"(
rules:
  - {name: reads, agents: [bot], targets: [db], operations: [read, transaction], objects: ["public.*"], verdict: allow}
  - {name: ask, agents: [bot], targets: [db], operations: [writes], objects: [any], verdict: hold, approval: dba}
  - {name: no-destructive-ddl, operations: [drop], verdict: deny, message: Schema changes go through the migration pipeline.}
  - {name: no-unbounded-writes, operations: [update, delete], when: {where_clause: absent}, verdict: deny}
masks:
  - {name: ssns, columns: [public.customers.ssn], method: redact}
)";

Explanation explained(const std::string& sql, const std::string& agent = "bot") {
    ExplainRequest request;
    request.agent = agent;
    request.target = "db";
    request.sql = sql;
    auto out = explain(*policy_of(shop), request);
    if (!out) ADD_FAILURE() << out.error().message;
    return out.value_or(Explanation{});
}

TEST(Explain, HasTheShapeThatIsPromised) {
    const auto json = explained("DROP TABLE orders").to_json();
    EXPECT_EQ(json.at("verdict"), "deny");
    EXPECT_EQ(json.at("rules"), nlohmann::json::array({"no-destructive-ddl"}));
    EXPECT_EQ(json.at("message"), "Schema changes go through the migration pipeline.");
    EXPECT_EQ(json.at("masks"), nlohmann::json::array());
    EXPECT_EQ(json.at("statements"), 1);
    ASSERT_EQ(json.at("effects").size(), 1U);
    const auto& effect = json.at("effects")[0];
    EXPECT_EQ(effect.at("operation"), "drop");
    EXPECT_EQ(effect.at("objects"), nlohmann::json::array({"public.orders"}));
    EXPECT_EQ(effect.at("verdict"), "deny");
    EXPECT_EQ(effect.at("rules"), nlohmann::json::array({"no-destructive-ddl"}));
}

TEST(Explain, SeveralStatementsAreTheUnionOfTheirEffects) {
    const auto both = explained("SELECT * FROM orders; UPDATE orders SET a = 1 WHERE id = 2");
    EXPECT_EQ(both.statements, 2U);
    EXPECT_EQ(verdict_text(both.verdict), "hold: ask");
    EXPECT_EQ(both.verdict.approvals, std::vector<std::string>{"dba"});
}

TEST(Explain, NamesAfterAStatementThatMayChangeThemAreNotAllowedByAPattern) {
    EXPECT_EQ(explained("SELECT * FROM orders").verdict.decision, model::Decision::allow);
    const auto changed = explained("SELECT set_config('search_path', 'x', true); SELECT * FROM orders");
    EXPECT_EQ(changed.verdict.decision, model::Decision::deny);
    EXPECT_EQ(changed.to_json().at("effects").back().at("unresolved"), nlohmann::json::array({"orders"}));
    EXPECT_EQ(explained("SELECT set_config('timezone', 'UTC', true); SELECT * FROM orders")
                  .to_json()
                  .at("effects")
                  .back()
                  .at("verdict"),
              "allow");
}

TEST(Explain, WhatDoesNotParseIsUnknownAndDenied) {
    const auto odd = explained("SELEC 1");
    EXPECT_EQ(odd.verdict.decision, model::Decision::deny);
    EXPECT_FALSE(odd.failure.empty());
    EXPECT_NE(odd.to_text().find("not parsed"), std::string::npos);
}

TEST(Explain, AnEmptyQueryDoesNothing) {
    EXPECT_EQ(explained("").verdict.decision, model::Decision::allow);
    EXPECT_EQ(explained(" ; -- nothing\n").verdict.decision, model::Decision::allow);
}

TEST(Explain, MasksAreNamed) {
    EXPECT_EQ(explained("SELECT ssn FROM customers").verdict.masks, std::vector<std::string>{"ssns"});
    const auto leaking = explained("UPDATE orders SET note = (SELECT ssn FROM customers WHERE id = 1) WHERE id = 2");
    EXPECT_EQ(verdict_text(leaking.verdict), "deny: ssns");
    EXPECT_EQ(leaking.verdict.message, leaking.mask_denial);
}

TEST(Explain, OnlyUtf8IsAHarmlessEncoding) {
    EXPECT_EQ(verdict_text(explained("SET client_encoding TO 'UTF8'").verdict), "allow: builtin-client-encoding");
    EXPECT_EQ(verdict_text(explained("set names 'utf-8';").verdict), "allow: builtin-client-encoding");
    EXPECT_EQ(explained("SET client_encoding = 'SJIS'").verdict.decision, model::Decision::deny);
    EXPECT_EQ(explained("SET client_encoding = 'UTF8'; SET client_encoding = 'SJIS'").verdict.decision,
              model::Decision::deny);
}

TEST(Explain, AVeryDeepTextIsAnswered) {
    std::string deep = "SELECT 1";
    for (int i = 0; i < 40'000; ++i) deep += "+1";
    EXPECT_EQ(explained(deep).verdict.decision, model::Decision::deny);
}

TEST(Explain, UndefinedNamesAreSaidWithTheNearest) {
    ExplainRequest request;
    request.agent = "bto";
    request.target = "db";
    EXPECT_EQ(explain(*policy_of(shop), request).error().message, "undefined agent 'bto'; did you mean 'bot'?");
    request.agent = "any";
    request.target = "bd";
    EXPECT_EQ(explain(*policy_of(shop), request).error().message, "undefined target 'bd'; did you mean 'db'?");
    request.target = "db";
    request.catalog = "relations: [5";
    const auto wrong = explain(*policy_of(shop), request);
    ASSERT_FALSE(wrong.has_value());
    EXPECT_EQ(wrong.error().code, Errc::invalid);
}

TEST(SamplePolicies, SayWhatTheirCasesExpect) {
    const auto results = run_policy_tests(ASSENT_SOURCE_DIR "/policies");
    ASSERT_TRUE(results.has_value()) << all_mistakes(results.error());
    for (const auto& failure : results->failures) {
        for (const auto& difference : failure.differences)
            ADD_FAILURE() << failure.file << ":" << failure.line << ": " << failure.name << ": " << difference;
    }
    EXPECT_GE(results->passed, 20U);
}

class PolicyFolder : public testing::Test {
protected:
    PolicyFolder() {
        std::string name = testing::TempDir() + "policies-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    ~PolicyFolder() override { std::filesystem::remove_all(folder_); }

    void write(const std::string& name, const std::string& text) {
        std::filesystem::create_directories((folder_ / name).parent_path());
        std::ofstream(folder_ / name, std::ios::binary) << text;
    }
    std::string mistakes() {
        const auto loaded = Policy::load(folder_, 1);
        std::string out = loaded ? "" : all_mistakes(loaded.error());
        for (std::size_t at; (at = out.find(folder_.string())) != std::string::npos;)
            out.replace(at, folder_.string().size(), "DIR");
        return out;
    }

    std::filesystem::path folder_;
};

TEST_F(PolicyFolder, IsTheUnionOfItsYamlFiles) {
    write("shop.yaml", shop);
    write("more/rules.yaml", "rules: [{name: more, operations: [truncate], verdict: deny}]\n");
    write(".hidden.yaml", "nonsense: 1\n");
    write("README.md", "not a policy");
    write("shop.test.yaml", "not: a policy\n");
    const auto loaded = Policy::load(folder_, 3);
    ASSERT_TRUE(loaded.has_value()) << all_mistakes(loaded.error());
    EXPECT_EQ((*loaded)->files().size(), 2U);
    EXPECT_TRUE((*loaded)->files().contains("more/rules.yaml"));
    EXPECT_EQ(verdict_text(judge(**loaded, {{effect(model::Operation::truncate, {"public.orders"})}})), "deny: more");
}

TEST_F(PolicyFolder, SaysWhatItCannotRead) {
    EXPECT_EQ(mistakes(), "");
    write("rules.yml", "rules: []\n");
    EXPECT_EQ(mistakes(), "DIR/rules.yml: is not read: policy files end in .yaml; rename it, or move it away\n");
    std::filesystem::remove(folder_ / "rules.yml");
    write("a.yaml", "ruels: []\n");
    EXPECT_EQ(mistakes(), "DIR/a.yaml:1:1: unknown key 'ruels'; did you mean 'rules'?\n");
    std::filesystem::remove(folder_ / "a.yaml");
    std::filesystem::create_symlink("/nowhere", folder_ / "gone.yaml");
    EXPECT_EQ(mistakes(), "DIR/gone.yaml: cannot be opened: No such file or directory\n");
    EXPECT_FALSE(Policy::load(folder_ / "nowhere", 1).has_value());
}

TEST_F(PolicyFolder, ItsCasesShowWhatDiffers) {
    write("shop.yaml", shop);
    write("shop.test.yaml", R"(
- {name: right, agent: bot, target: db, sql: SELECT 1, expect: {verdict: allow, rules: [reads], operations: [read], masks: []}}
- {name: wrong, agent: bot, target: db, sql: DROP TABLE a, expect: {verdict: allow, rules: [reads], operations: [read], masks: [ssns]}}
- {name: nobody, agent: bto, target: db, sql: SELECT 1, expect: {verdict: allow}}
)");
    const auto results = run_policy_tests(folder_);
    ASSERT_TRUE(results.has_value()) << all_mistakes(results.error());
    EXPECT_EQ(results->passed, 1U);
    ASSERT_EQ(results->failures.size(), 2U);
    EXPECT_EQ(results->failures[0].line, 3U);
    const std::vector<std::string> expected = {
        "verdict: expected allow, got deny (Schema changes go through the migration pipeline.)",
        "rules: expected [reads], got [no-destructive-ddl]", "operations: expected [read], got [drop]",
        "masks: expected [ssns], got []"};
    EXPECT_EQ(results->failures[0].differences, expected);
    EXPECT_EQ(results->failures[1].differences, std::vector<std::string>{"undefined agent 'bto'; did you mean 'bot'?"});
}

TEST_F(PolicyFolder, ATestFileIsReadStrictly) {
    write("shop.yaml", shop);
    write("a.test.yaml", "cases:\n  - {name: a, agnt: bot, target: db, sql: SELECT 1, expect: {verdit: allow}}\n");
    const auto results = run_policy_tests(folder_);
    ASSERT_FALSE(results.has_value());
    const std::string said = all_mistakes(results.error());
    EXPECT_NE(said.find("a.test.yaml:2:5: a case needs 'agent'"), std::string::npos) << said;
    EXPECT_NE(said.find("a.test.yaml:2:15: unknown key 'agnt'; did you mean 'agent'?"), std::string::npos) << said;
    EXPECT_NE(said.find("unknown key 'verdit'; did you mean 'verdict'?"), std::string::npos) << said;
}

TEST_F(PolicyFolder, WithoutCasesTestsNothingAndSaysSo) {
    write("shop.yaml", shop);
    ASSERT_FALSE(run_policy_tests(folder_).has_value());
}

}  // namespace
}  // namespace assent::policy

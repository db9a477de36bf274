// An approval is good for one command: anything that changes what would run, where, or by whom changes the digest.
#include <set>

#include <gtest/gtest.h>

#include "session/approved_command.h"

namespace assent::session {
namespace {

struct Case {
    model::Agent agent;
    sql::Catalog catalog;
    std::string target = "db";
    std::string database = "shop";
    std::string user = "app";
    std::string text = "UPDATE t SET a = $1";
    std::string effect = "public.t";
    std::vector<std::string> executed;
    Reading reading = {{"DateStyle", "ISO, MDY"}};
    std::string moment;
    std::vector<wire::Parameter> parameters;
    std::vector<std::int16_t> formats;
    wire::CommandSeen command;

    [[nodiscard]] Digest digest() {
        command.parameters = parameters;
        command.result_formats = formats;
        Judged judged;
        judged.analysis.executed = executed;
        judged.verdict.effects.push_back(
            {{model::Operation::update, {{effect, true}}, {}, 0}, model::Decision::hold, {"r"}});
        return command_digest({&agent, target, database, user, &catalog, &reading, moment}, command, text, judged);
    }
};

TEST(CommandDigest, IgnoresTheConnection) {
    Case one;
    one.agent.run_name = "nightly";
    one.agent.pid = 7;
    Case other = one;
    other.agent.pid = 8;
    other.agent.start_time_ns = 99;
    other.agent.cgroup_id = 3;
    other.command.id = 42;
    EXPECT_EQ(one.digest(), other.digest());
}

TEST(CommandDigest, ChangesWithEverythingElse) {
    Case base;
    base.agent.run_name = "nightly";
    base.agent.uid = 1000;
    base.parameters.push_back({23, false, false, as_bytes("5")});
    std::set<Digest> seen{base.digest()};
    const auto differs = [&](const char* what, auto change) {
        Case changed = base;
        change(changed);
        EXPECT_TRUE(seen.insert(changed.digest()).second) << what;
    };
    differs("agent", [](Case& c) { c.agent.run_name = "weekly"; });
    differs("uid", [](Case& c) { c.agent.uid = 1001; });
    const auto with_token = [](const char* issuer, const char* subject, std::vector<model::TokenActor> actors) {
        return [=](Case& c) {
            auto token = std::make_shared<model::AgentToken>();
            token->issuer = issuer;
            token->subject = subject;
            token->actors = actors;
            c.agent.token = token;
        };
    };
    differs("token", with_token("https://idp", "ana", {}));
    differs("subject", with_token("https://idp", "bob", {}));
    differs("issuer", with_token("https://other", "ana", {}));
    differs("actor", with_token("https://idp", "ana", {{"", "bot"}}));
    differs("actor's issuer", with_token("https://idp", "ana", {{"https://ci", "bot"}}));
    differs("two actors", with_token("https://idp", "ana", {{"", "bot"}, {"", "runner"}}));
    differs("target", [](Case& c) { c.target = "db2"; });
    differs("database", [](Case& c) { c.database = "shop2"; });
    differs("user", [](Case& c) { c.user = "admin"; });
    differs("text", [](Case& c) { c.text += " "; });
    differs("value", [](Case& c) { c.parameters[0].value = as_bytes("6"); });
    differs("null", [](Case& c) { c.parameters[0].is_null = true; });
    differs("type", [](Case& c) { c.parameters[0].type = 25; });
    differs("format", [](Case& c) { c.parameters[0].is_binary = true; });
    differs("result format", [](Case& c) { c.formats.push_back(1); });
    differs("another value", [](Case& c) { c.parameters.push_back(c.parameters[0]); });
    differs("transaction", [](Case& c) { c.command.transaction_status = 'T'; });
    differs("what a name leads to", [](Case& c) { c.effect = "sandbox.t"; });
    differs("what a prepared name stands for", [](Case& c) { c.executed.emplace_back("DELETE FROM t"); });
    differs("how a date is read", [](Case& c) { c.reading["DateStyle"] = "ISO, DMY"; });
    differs("the moment", [](Case& c) { c.moment = "s-1 7"; });
    differs("border between fields", [](Case& c) { c.target = "dbs", c.database = "hop"; });
}

// The shape as the desk gets it: of the text as the parser read it.
Digest shape_of(Case one, const std::string& text, const std::string& effect = "public.t") {
    const auto parsed = sql::parse(text);
    Judged judged;
    judged.analysis.executed = one.executed;
    judged.verdict.effects.push_back({{model::Operation::update, {{effect, true}}, {}, 0}, model::Decision::hold, {"r"}});
    one.command.parameters = one.parameters;
    return command_shape({&one.agent, one.target, one.database, one.user, &one.catalog, &one.reading, one.moment},
                         one.command, text, parsed.get(), judged);
}

TEST(CommandShape, IsTheSameForOtherValuesAndNothingElse) {
    Case base;
    base.agent.run_name = "nightly";
    const std::string text = "UPDATE t SET a = 'x' WHERE id = 7";
    const Digest shape = shape_of(base, text);
    EXPECT_EQ(shape_of(base, "UPDATE t SET a = 'yy' WHERE id = 12345"), shape);
    EXPECT_EQ(shape_of(base, "UPDATE t SET a = 'x' WHERE id = -7"), shape_of(base, "UPDATE t SET a = 'x' WHERE id = -9"));
    for (const char* other : {"UPDATE t SET b = 'x' WHERE id = 7", "UPDATE t SET a = 'x' WHERE id = 7 OR 1 = 1",
                              "UPDATE t SET a = 'x'", "UPDATE t SET a = 'x' WHERE id = 7; DELETE FROM t",
                              "UPDATE t SET a = 'x' WHERE id >= 7", "UPDATE t SET a = 'x' WHERE id = 7 -- more",
                              "UPDATE t SET a = 'x' WHERE id = '7'", "UPDATE t SET a = E'x' WHERE id = 7"}) {
        EXPECT_NE(shape_of(base, other), shape) << other;
    }
    EXPECT_NE(shape_of(base, text, "private.t"), shape) << "another table of that name";
    Case changed = base;
    changed.agent.run_name = "weekly";
    EXPECT_NE(shape_of(changed, text), shape);
    changed = base;
    changed.agent.uid = 5;
    EXPECT_NE(shape_of(changed, text), shape);
    changed = base;
    changed.database = "other";
    EXPECT_NE(shape_of(changed, text), shape);
    changed = base;
    changed.command.transaction_status = 'T';
    EXPECT_EQ(shape_of(changed, text), shape) << "where it stands in a transaction says nothing of its shape";
}

TEST(CommandShape, OfWhatIsNoPlainStatementEveryByteCounts) {
    const Case base;
    EXPECT_NE(shape_of(base, "DO 'BEGIN PERFORM 1; END'"), shape_of(base, "DO 'BEGIN PERFORM 2; END'"));
    EXPECT_NE(shape_of(base, "SELECT 1; SELECT 2"), shape_of(base, "SELECT 1; SELECT 3"));
    EXPECT_NE(shape_of(base, "SELECT a FROM t ORDER BY 1"), shape_of(base, "SELECT a FROM t ORDER BY 2"));
    EXPECT_NE(shape_of(base, "no sql 1"), shape_of(base, "no sql 2"));
    EXPECT_NE(shape_of(base, "CREATE TABLE t (a text DEFAULT 'x')"), shape_of(base, "CREATE TABLE t (a text DEFAULT 'y')"));
}

TEST(CommandShape, IsStableOverVersions) {
    Case base;
    base.agent.run_name = "nightly";
    base.agent.uid = 1000;
    EXPECT_EQ(to_hex(shape_of(base, "UPDATE t SET a = 'x' WHERE id = 7")),
              "b5bf12a0b3dbfa3cf901ec322f80cf867d4e05b6da94f4c69054867ca2d5be75")
        << "widened approvals live over an upgrade";
}

TEST(ShownParameter, TellsNullTextAndBinaryApart) {
    EXPECT_EQ(shown_parameter({25, false, true, {}}), "NULL");
    EXPECT_EQ(shown_parameter({25, false, false, as_bytes("NULL")}), "'NULL'");
    EXPECT_EQ(shown_parameter({25, false, false, as_bytes("it's")}), "'it''s'");
    EXPECT_EQ(shown_parameter({25, true, false, as_bytes("A'")}), "'A''' (text)");
    EXPECT_EQ(shown_parameter({21, true, false, as_bytes(std::string_view("\0\7", 2))}), "7 (int2)");
    EXPECT_EQ(shown_parameter({600, true, false, as_bytes("A")}), "\\x41 (binary, type 600)");
    EXPECT_EQ(shown_parameter({23, true, false, as_bytes("A")}), "\\x41 (binary, int4)") << "not an int4";
    EXPECT_EQ(shown_parameter({0, true, false, as_bytes("A")}), "\\x41 (binary, type not said)");
    EXPECT_EQ(shown_parameter({0, true, false, as_bytes("A"), 1043}), "'A' (varchar)");
}

}  // namespace
}  // namespace assent::session

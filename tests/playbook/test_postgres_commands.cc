#include "playbook/playbook.h"

namespace assent::test {
namespace {

const std::string parsed = message('1');
const std::string bound = message('2');
const std::string gone = message('3');
const std::string no_data = message('n');

TEST(PostgresCommands, ASimpleQueryPassesAndIsCounted) {
    Playbook()
        .opened()
        .agent(query("SELECT 1; SELECT 2"))
        .server(description({{"a", 25}}) + row({"x"}) + row({Field{}}) + complete("SELECT 2") + description({{"a", 25}}) +
                row({"y"}) + complete("SELECT 1") + ready())
        .becomes(
            "query 2 [SELECT 1; SELECT 2]\nserver < Q(SELECT 1; SELECT 2.)\n"
            "finished 2 SELECT 1 rows=3\nstatus I\n"
            "agent  < T(..a...................) D(......x) D(......) C(SELECT 2.) T(..a...................) D(......y) "
            "C(SELECT 1.) Z(I)\n");
}

TEST(PostgresCommands, ARefusedQueryIsAnErrorInItsPlace) {
    Playbook::Settings settings;
    settings.rulings["DROP TABLE x"] = {refused()};
    Playbook(settings)
        .opened()
        .agent(query("SELECT 1") + query("DROP TABLE x") + query("SELECT 2"))
        .server(complete("SELECT 0") + ready() + error("42601", "syntax error") + ready() + complete("SELECT 0") + ready())
        .becomes(
            "query 2 [SELECT 1]\nquery 3 [DROP TABLE x]\nquery 4 [SELECT 2]\n"
            "server < Q(SELECT 1.) Q(assent refused this command.) Q(SELECT 2.)\n"
            "finished 2 SELECT 0\nstatus I\nfinished 3 refused 42501 assent: no\nstatus I\nfinished 4 SELECT 0\nstatus I\n"
            "agent  < C(SELECT 0.) Z(I) E(SERROR.VERROR.C42501.Massent: no..) Z(I) C(SELECT 0.) Z(I)\n");
}

TEST(PostgresCommands, AServerThatAcceptsARefusedCommandIsLeft) {
    Playbook::Settings settings;
    settings.rulings["DROP TABLE x"] = {refused()};
    Playbook(settings)
        .opened()
        .agent(query("DROP TABLE x"))
        .server(complete("DROP TABLE") + ready())
        .becomes(
            "query 2 [DROP TABLE x]\nserver < Q(assent refused this command.)\n"
            "finished 2 failed the session ended first\nserver < X\n"
            "agent  < E(SFATAL.VFATAL.C08P01.Massent: the target accepted a command that had to fail..)\n"
            "violation: the target accepted a command that had to fail\n");
}

TEST(PostgresCommands, FatalErrorsAreNotRewritten) {
    Playbook::Settings settings;
    settings.rulings["DROP TABLE x"] = {refused()};
    Playbook(settings)
        .opened()
        .agent(query("DROP TABLE x"))
        .server(error("57P01", "going down", "FATAL"))
        .leaves(Side::target)
        .becomes(
            "query 2 [DROP TABLE x]\nserver < Q(assent refused this command.)\n"
            "agent  < E(SFATAL.VFATAL.C57P01.Mgoing down..)\n"
            "finished 2 failed 57P01 going down\nclosed: the target ended the session: 57P01\n");
}

TEST(PostgresCommands, AHeldQueryHoldsWhatFollowsAndNotTheAnswersBefore) {
    Playbook::Settings settings;
    settings.rulings["UPDATE x"] = {ruled(Ruling::Action::wait), forwarded()};
    Playbook(settings)
        .opened()
        .agent(query("SELECT 1") + query("UPDATE x") + query("SELECT 2"))
        .notice("held")
        .server(complete("SELECT 0") + ready())
        .proceed()
        .becomes(
            "query 2 [SELECT 1]\nquery 3 [UPDATE x]\nserver < Q(SELECT 1.)\n"
            "agent  < N(SNOTICE.VNOTICE.C01000.Mheld..)\n"
            "finished 2 SELECT 0\nstatus I\nagent  < C(SELECT 0.) Z(I)\n"
            "query 3 [UPDATE x]\nquery 4 [SELECT 2]\nserver < Q(UPDATE x.) Q(SELECT 2.)\n");
}

TEST(PostgresCommands, ANoticeWaitsForTheEndOfAMessage) {
    const std::string long_row = row({"0123456789"});
    Playbook()
        .opened()
        .agent(query("SELECT"))
        .server(long_row.substr(0, 12))
        .notice("held")
        .server(long_row.substr(12))
        .becomes(
            "query 2 [SELECT]\nserver < Q(SELECT.)\nagent  < ?(D.........0)\nagent  < "
            "?(123456789N..\"SNOTICE.VNOTICE.C01000.Mheld..)\n");
}

TEST(PostgresCommands, TheExtendedProtocolIsJudgedAtBind) {
    Playbook::Settings settings;
    settings.shows_executes = true;
    Playbook(settings)
        .opened()
        .agent(parse("s", "SELECT $1") + bind("", "s", {"v"}) + describe('P') + execute() + sync())
        .server(parsed + bound + description({{"a", 25}}) + row({"v"}) + complete("SELECT 1") + ready())
        .agent(bind("", "s", {Field{}}) + execute("", 1) + execute("", 1) + sync())
        .server(bound + row({"v"}) + message('s') + complete("SELECT 0") + ready())
        .becomes(
            "parse 2 [SELECT $1]\nbind 3 [SELECT $1] 'v'\nexecute 3 [SELECT $1]\n"
            "server < P(s.SELECT $1...) B(.s..........v..) D(P.) E(.....) S\n"
            "finished 2 \nfinished 3 SELECT 1 rows=1\nstatus I\n"
            "agent  < 1 2 T(..a...................) D(......v) C(SELECT 1.) Z(I)\n"
            "bind 4 [SELECT $1] NULL\nexecute 4 [SELECT $1]\nexecute 4 [SELECT $1]\n"
            "server < B(.s...........) E(.....) E(.....) S\n"
            "finished 4 SELECT 0 rows=1\nstatus I\nagent  < 2 D(......v) s C(SELECT 0.) Z(I)\n");
}

TEST(PostgresCommands, ARefusedBindFailsTheBatchUntilItsSync) {
    Playbook::Settings settings;
    settings.rulings["DELETE"] = {forwarded(), refused()};
    Playbook(settings)
        .opened()
        .agent(parse("", "DELETE") + bind("", "") + execute() + parse("", "SELECT 1") + bind("", "") + execute() + sync() +
               query("SELECT 2"))
        .server(parsed + error("26000", "does not exist") + ready() + complete("SELECT 0") + ready())
        .becomes(
            "parse 2 [DELETE]\nbind 3 [DELETE]\nquery 4 [SELECT 2]\n"
            "server < P(.DELETE...) B(.assent refused this command...........) S Q(SELECT 2.)\n"
            "finished 2 \nfinished 3 refused 42501 assent: no\nstatus I\nfinished 4 SELECT 0\nstatus I\n"
            "agent  < 1 E(SERROR.VERROR.C42501.Massent: no..) Z(I) C(SELECT 0.) Z(I)\n");
}

TEST(PostgresCommands, WhatFollowsAnErrorInABatchIsNotJudged) {
    Playbook()
        .opened()
        .agent(parse("", "bad") + message('H'))
        .server(error("42601", "bad"))
        .agent(bind("", "") + execute() + query("SELECT 1") + sync() + query("SELECT 2"))
        .server(ready() + complete("SELECT 0") + ready())
        .becomes(
            "parse 2 [bad]\nserver < P(.bad...) H\nfinished 2 failed 42601 bad\nagent  < E(SERROR.VERROR.C42601.Mbad..)\n"
            "query 3 [SELECT 2]\nserver < S Q(SELECT 2.)\nstatus I\nfinished 3 SELECT 0\nstatus I\nagent  < Z(I) C(SELECT "
            "0.) Z(I)\n");
}

// An attack: a Parse that fails must not change what a name of an earlier batch is taken for.
TEST(PostgresCommands, AFailedParseDoesNotRenameAStatement) {
    Playbook()
        .opened()
        .agent(parse("s", "DELETE") + sync())
        .server(parsed + ready())
        .agent(parse("s", "SELECT 1") + sync() + bind("", "s") + execute() + sync())
        .server(error("42P05", "already exists") + ready())
        .becomes(
            "parse 2 [DELETE]\nserver < P(s.DELETE...) S\nfinished 2 \nstatus I\nagent  < 1 Z(I)\n"
            "parse 3 [SELECT 1]\nserver < P(s.SELECT 1...) S\n"
            "finished 3 failed 42P05 already exists\nstatus I\nbind 4 [DELETE]\nserver < B(.s........) E(.....) S\n"
            "agent  < E(SERROR.VERROR.C42P05.Malready exists..) Z(I)\n");
}

// An attack: a Parse that was skipped leaves the unnamed statement of before.
TEST(PostgresCommands, ASkippedParseLeavesTheUnnamedStatement) {
    Playbook()
        .opened()
        .agent(parse("", "DELETE") + sync())
        .server(parsed + ready())
        .agent(describe('S', "none") + parse("", "SELECT 1") + sync() + bind("", "") + sync())
        .server(error("26000", "none") + ready())
        .becomes(
            "parse 2 [DELETE]\nserver < P(.DELETE...) S\nfinished 2 \nstatus I\nagent  < 1 Z(I)\n"
            "parse 3 [SELECT 1]\nserver < D(Snone.) P(.SELECT 1...) S\n"
            "finished 3 failed not run: an earlier command of the batch failed\nstatus I\nbind 4 [DELETE]\nserver < "
            "B(.........) S\n"
            "agent  < E(SERROR.VERROR.C26000.Mnone..) Z(I)\n");
}

// An attack: PREPARE gives a known name to another statement.
TEST(PostgresCommands, PrepareMakesEarlierNamesUnknown) {
    Playbook()
        .opened()
        .agent(parse("s", "SELECT 1") + sync())
        .server(parsed + ready())
        .agent(query("DEALLOCATE s; PREPARE s AS DELETE"))
        .server(complete("DEALLOCATE") + complete("PREPARE") + ready())
        .agent(bind("", "s") + sync())
        .becomes(
            "parse 2 [SELECT 1]\nserver < P(s.SELECT 1...) S\nfinished 2 \nstatus I\nagent  < 1 Z(I)\n"
            "query 3 [DEALLOCATE s; PREPARE s AS DELETE]\nserver < Q(DEALLOCATE s; PREPARE s AS DELETE.)\n"
            "finished 3 PREPARE\nstatus I\nagent  < C(DEALLOCATE.) C(PREPARE.) Z(I)\n"
            "bind 4 []\nserver < B(.s........) S\n");
}

// A portal is refused once and runs later: what is told of the refusal belongs to that one Execute.
TEST(PostgresCommands, ARefusedExecuteIsRefusedOnce) {
    Playbook::Settings settings;
    settings.shows_executes = true;
    settings.rulings["SELECT 1"] = {forwarded(), forwarded(), refused(), forwarded()};
    Playbook(settings)
        .opened()
        .agent(query("BEGIN"))
        .server(complete("BEGIN") + ready('T'))
        .agent(parse("", "SELECT 1") + bind("p", "") + execute("p", 1) + sync() + execute("p") + sync())
        .server(parsed + bound + error("08P01", "invalid message format") + ready('E'))
        .server(error("25P02", "aborted") + ready('E'))
        .becomes(
            "query 2 [BEGIN]\nserver < Q(BEGIN.)\nfinished 2 BEGIN\nstatus T\nagent  < C(BEGIN.) Z(T)\n"
            "parse 3 [SELECT 1]\nbind 4 [SELECT 1]\nexecute 4 [SELECT 1]\n"
            "server < P(.SELECT 1...) B(p........) E(assent refused this command......) S\n"
            "finished 3 \nfinished 4 refused 42501 assent: no\nstatus E\nexecute 4 [SELECT 1] cannot ask\nserver < "
            "E(p.....) S\n"
            "agent  < 1 2 E(SERROR.VERROR.C42501.Massent: no..) Z(E)\n"
            "status E\nagent  < E(SERROR.VERROR.C25P02.Maborted..) Z(E)\n");
}

TEST(PostgresCommands, CopyInPassesAndItsSyncIsNotCounted) {
    Playbook()
        .opened()
        .agent(parse("", "COPY") + bind("", "") + execute() + sync())
        .server(parsed + bound + message('G', std::string("\0\0\1\0\0", 5)))
        .agent(message('d', "1\n") + message('c') + sync())
        .server(complete("COPY 1") + ready())
        .agent(query("SELECT 1"))
        .server(complete("SELECT 0") + ready())
        .becomes(
            "parse 2 [COPY]\nbind 3 [COPY]\nserver < P(.COPY...) B(.........) E(.....) S\n"
            "finished 2 \nagent  < 1 2 G(.....)\nserver < d(1.) c S\n"
            "finished 3 COPY 1 rows=1\nstatus I\nagent  < C(COPY 1.) Z(I)\n"
            "query 4 [SELECT 1]\nserver < Q(SELECT 1.)\nfinished 4 SELECT 0\nstatus I\nagent  < C(SELECT 0.) Z(I)\n");
}

TEST(PostgresCommands, AgentsThatBreakTheProtocolAreToldSo) {
    const std::string unknown = message('?');
    const std::string short_length = "Q" + u32(3);
    const std::string huge = "Q" + u32(0x7fff'ffff);
    for (const auto& bytes :
         {unknown, short_length, huge, message('Q', "no zero"), message('Q', z("a") + "b"), message('P', z("a")),
          message('B', z("") + z("") + u16(2) + u16(0) + u16(0) + u16(1) + u32(0) + u16(0)),
          message('B', z("") + z("") + u16(7)), message('B', z("") + z("") + u16(0) + u16(1) + u32(99) + u16(0)),
          message('E', z("")), message('D', "X" + z("")), message('C', "S"), message('S', "x"), message('p', "late"),
          message('F', u32(1))}) {
        SCOPED_TRACE(shown(bytes));
        const std::string result = Playbook().opened().agent(bytes).outcome();
        EXPECT_NE(result.find("server < X\nagent  < E(SFATAL.VFATAL.C08P01.Massent: the agent sent"), std::string::npos)
            << result;
        EXPECT_NE(result.find("violation: "), std::string::npos) << result;
    }
}

TEST(PostgresCommands, ServersThatLieAreLeft) {
    for (const auto& bytes : {ready(), complete("SELECT 1"), row({"x"}), message('?'), std::string("C") + u32(2),
                              error("1", "short code"), std::string("E") + u32(4), error("42000", "nobody asked"),
                              message('S', "one"), message('d', "x"), message('V', "")}) {
        SCOPED_TRACE(shown(bytes));
        const std::string result = Playbook().opened().server(bytes).outcome();
        EXPECT_NE(result.find("violation: the target sent"), std::string::npos) << result;
    }
    const std::string result = Playbook().opened().agent(parse("", "x") + sync()).server(bound).outcome();
    EXPECT_NE(result.find("violation: the target sent an answer to something else"), std::string::npos) << result;
}

TEST(PostgresCommands, AnAgentThatVanishesTakesItsHeldCommandBack) {
    Playbook::Settings settings;
    settings.rulings["UPDATE x"] = {ruled(Ruling::Action::wait)};
    Playbook(settings)
        .opened()
        .agent(query("UPDATE x"))
        .leaves(Side::agent)
        .becomes("query 2 [UPDATE x]\nfinished 2 failed not run: the agent left\nserver < X\nclosed: the agent left\n");
}

TEST(PostgresCommands, AHeldExecuteEndsWithItsPortalOnce) {
    Playbook::Settings settings;
    settings.shows_executes = true;
    settings.rulings["UPDATE x"] = {forwarded(), forwarded(), ruled(Ruling::Action::wait)};
    Playbook(settings)
        .opened()
        .agent(parse("", "UPDATE x") + bind("", "") + execute() + sync())
        .leaves(Side::agent)
        .becomes(
            "parse 2 [UPDATE x]\nbind 3 [UPDATE x]\nexecute 3 [UPDATE x]\nserver < P(.UPDATE x...) B(.........)\n"
            "finished 3 failed not run: the agent left\nserver < X\n");
}

TEST(PostgresCommands, ATargetThatVanishesIsNamed) {
    Playbook()
        .opened()
        .agent(query("SELECT 1"))
        .leaves(Side::target)
        .becomes(
            "query 2 [SELECT 1]\nserver < Q(SELECT 1.)\nfinished 2 failed the session ended first\n"
            "agent  < E(SFATAL.VFATAL.C08006.Massent: the target closed the connection..)\nclosed: the target closed the "
            "connection\n");
}

TEST(PostgresCommands, TerminateWaitsForTheEndOfAMessage) {
    Playbook().opened().terminate("bye").becomes(
        "server < X\nagent  < E(SFATAL.VFATAL.C01000.Mbye..)\nclosed: ended: bye\n");
    const std::string long_row = row({"0123456789"});
    Playbook()
        .opened()
        .agent(query("SELECT"))
        .server(long_row.substr(0, 20))
        .terminate("bye")
        .server(long_row.substr(20))
        .becomes(
            "query 2 [SELECT]\nserver < Q(SELECT.)\nagent  < ?(D.........012345678)\nfinished 2 failed the session ended "
            "first rows=1\nserver < X\n"
            "agent  < ?(9E..SFATAL.VFATAL.C01000.Mbye..)\nclosed: ended: bye\n");
}

TEST(PostgresCommands, AGoodbyeLeavesTheAnswersTheirTime) {
    Playbook()
        .opened()
        .agent(query("SELECT 1") + message('X'))
        .server(complete("SELECT 0") + ready())
        .becomes(
            "query 2 [SELECT 1]\nserver < Q(SELECT 1.) X\nfinished 2 SELECT 0\nstatus I\nagent  < C(SELECT 0.) Z(I)\n"
            "closed: the agent ended the session\n");
}

}  // namespace
}  // namespace assent::test

#include "playbook/playbook.h"

namespace assent::test {
namespace {

TEST(PostgresStartup, ATrustedUserIsLetIn) {
    Playbook()
        .agent(startup({"user", "ana", "application_name", "psql", "options", "-c geqo=off"}))
        .connected()
        .server(auth(0) + setting("TimeZone", "UTC") + key(7, 8) + ready())
        .becomes(
            "startup 1 [] ana@ana application_name=psql geqo=off\n"
            "connect\n"
            "server < ?(..<..user.ana.application_name.psql.options.-c geqo=off..)\n"
            "authenticated trust\nsetting TimeZone=UTC\nfinished 1 \nstatus I\n"
            "agent  < R(....) S(TimeZone.UTC.) K(........) Z(I)\n");
}

TEST(PostgresStartup, PasswordsPassUnseen) {
    Playbook()
        .agent(startup())
        .connected()
        .server(auth(10, z("SCRAM-SHA-256") + '\0'))
        .agent(message('p', "first"))
        .server(auth(11, "challenge"))
        .agent(message('p', "proof"))
        .server(auth(12, "verified") + auth(0) + ready())
        .becomes(
            "startup 1 [] ana@shop\nconnect\n"
            "server < ?(.. ..user.ana.database.shop..)\n"
            "agent  < R(....SCRAM-SHA-256..)\nserver < p(first)\nagent  < R(....challenge)\nserver < p(proof)\n"
            "authenticated sasl\nfinished 1 \nstatus I\nagent  < R(....verified) R(....) Z(I)\n");
}

TEST(PostgresStartup, NobodySpeaksBeforeTheyAreLetIn) {
    Playbook()
        .agent(startup())
        .connected()
        .server(auth(3))
        .agent(query("DROP TABLE x"))
        .becomes(
            "startup 1 [] ana@shop\nconnect\nserver < ?(.. ..user.ana.database.shop..)\nagent  < R(....)\n"
            "finished 1 failed the agent sent something else than a password before it was let in\n"
            "agent  < E(SFATAL.VFATAL.C08P01.Massent: the agent sent something else than a password before it was let "
            "in..)\n"
            "violation: the agent sent something else than a password before it was let in\n");
}

TEST(PostgresStartup, EncryptionIsDeclinedWhereItIsNotOffered) {
    Playbook()
        .agent(gss_request())
        .agent(ssl_request())
        .agent(startup())
        .becomes("agent  < ?(N)\nagent  < ?(N)\nstartup 1 [] ana@shop\nconnect\n");
    Playbook()
        .agent("\x16\x03\x01")
        .becomes(
            "agent  < E(SFATAL.VFATAL.C08P01.Massent: the agent speaks TLS, which is not offered here: use sslmode=disable "
            "or prefer..)\n"
            "violation: the agent speaks TLS, which is not offered here: use sslmode=disable or prefer\n");
}

TEST(PostgresStartup, TlsIsOfferedOnce) {
    Playbook::Settings settings;
    settings.options.offers_tls = true;
    Playbook(settings)
        .agent(ssl_request())
        .tls_ready(Side::agent)
        .agent(startup())
        .becomes("start tls agent\nagent  < ?(S)\nstartup 1 [] ana@shop\nconnect\n");
    Playbook(settings)
        .agent(ssl_request())
        .tls_ready(Side::agent)
        .agent(ssl_request())
        .becomes(
            "start tls agent\nagent  < ?(S)\n"
            "agent  < E(SFATAL.VFATAL.C08P01.Massent: the agent asked for TLS twice or with bytes too many..)\n"
            "violation: the agent asked for TLS twice or with bytes too many\n");
}

TEST(PostgresStartup, TheTargetsTlsIsAskedFor) {
    Playbook::Settings settings;
    settings.options.target_tls = wire::TlsUse::required;
    settings.options.target_name = "shop-db";
    Playbook(settings)
        .agent(startup())
        .connected()
        .server("S")
        .tls_ready(Side::target)
        .becomes(
            "startup 1 [] ana@shop\nconnect\nserver < ?(......./)\nstart tls target\nserver < "
            "?(.. ..user.ana.database.shop..)\n");
    Playbook(settings).agent(startup()).connected().server("N").becomes(
        "startup 1 [] ana@shop\nconnect\nserver < ?(......./)\n"
        "finished 1 failed shop-db does not speak TLS, and its `tls: {upstream}` setting requires it\n"
        "agent  < E(SFATAL.VFATAL.C08001.Massent: shop-db does not speak TLS, and its `tls: {upstream}` setting requires "
        "it..)\n"
        "closed: shop-db does not speak TLS, and its `tls: {upstream}` setting requires it\n");
}

TEST(PostgresStartup, ACancelRequestIsHandedOver) {
    Playbook().agent(cancel_request(7, 9)).becomes("cancel 7 9\nclosed: a cancel request\n");
}

TEST(PostgresStartup, NewerProtocolsAreNegotiatedDown) {
    Playbook()
        .agent(startup({"user", "ana", "_pq_.grease", "1"}, (3U << 16U) + 2))
        .connected()
        .server(auth(0) + ready())
        .becomes(
            "startup 1 [] ana@ana\nconnect\nserver < ?(............user.ana..)\nauthenticated trust\nfinished 1 \nstatus I\n"
            "agent  < v(........_pq_.grease.) R(....) Z(I)\n");
    Playbook()
        .agent(startup({"user", "ana"}, 2U << 16U))
        .becomes(
            "agent  < E(SFATAL.VFATAL.C0A000.Massent: only version 3 of the protocol is understood..)\n"
            "violation: the agent asked for an unknown version of the protocol\n");
}

TEST(PostgresStartup, ARefusedSessionNeverReachesTheTarget) {
    Playbook::Settings settings;
    settings.rulings[""] = {ruled(Ruling::Action::wait), refused()};
    Playbook(settings).agent(startup()).proceed().becomes(
        "startup 1 [] ana@shop\nstartup 1 [] ana@shop\nfinished 1 refused 42501 assent: no\n"
        "agent  < E(SFATAL.VFATAL.C42501.Massent: no..)\nclosed: the session was refused\n");
}

TEST(PostgresStartup, GarbageIsAnswered) {
    for (const auto& garbage :
         {untyped("abc"), u32(20'000) + u32(3U << 16U), std::string("GET / HTTP/1.1\r\n\r\n"),
          startup({"user", "a", "user", "b"}), startup({"database", "x"}), untyped(u32(3U << 16U) + "user")}) {
        Playbook book;
        book.agent(garbage);
        SCOPED_TRACE(shown(garbage));
        const std::string result = book.outcome();
        EXPECT_NE(result.find("violation: "), std::string::npos) << result;
        EXPECT_EQ(result.find("connect"), std::string::npos) << result;
    }
}

TEST(PostgresStartup, AQuestionComesBeforeTheFirstReady) {
    Playbook::Settings settings;
    settings.ready_question = sql::Question{.sql = "SELECT path", .parameters = {"x"}};
    Playbook(settings)
        .agent(startup())
        .connected()
        .server(auth(0) + ready())
        .server(message('1') + message('2') + row({"public"}) + complete("SELECT 1") + message('3') + message('3') + ready())
        .becomes(
            "startup 1 [] ana@shop\nconnect\nserver < ?(.. ..user.ana.database.shop..)\nauthenticated trust\nfinished 1 \n"
            "server < P(assent question.SELECT path...) B(assent question.assent question.......x..) E(assent "
            "question.....) "
            "C(Passent question.) C(Sassent question.) S\n"
            "agent  < R(....)\nanswered public\nstatus I\nagent  < Z(I)\n");
}

}  // namespace
}  // namespace assent::test

#include "playbook/playbook.h"

namespace assent::test {
namespace {

Ruling masking(model::MaskKind kind, bool strips = false) {
    auto masks = std::make_shared<std::vector<model::ResultMasks>>(1);
    masks->front().columns.resize(2);
    masks->front().columns[1] = {.method = {.kind = kind}, .masks = {"m"}};
    masks->front().strips_error_detail = strips;
    Ruling ruling = forwarded();
    ruling.masks = masks;
    ruling.recorded_result_bytes = 1000;
    return ruling;
}

Playbook::Settings with(std::string text, Ruling ruling) {
    Playbook::Settings settings;
    settings.rulings[std::move(text)] = {std::move(ruling)};
    return settings;
}

TEST(PostgresResults, RowsAreMaskedAndShownAsTheAgentSeesThem) {
    Playbook(with("SELECT ssn", masking(model::MaskKind::redact)))
        .opened()
        .agent(query("SELECT ssn"))
        .server(description({{"a", 25}, {"b", 25}}) + row({"x", "secret"}) + complete("SELECT 1") + ready())
        .becomes(
            "query 2 [SELECT ssn]\nserver < Q(SELECT ssn.)\nfinished 2 SELECT 1 rows=1 masked=1\n"
            "result 2 T(..a...................b...................) D(......x....[redacted])\nstatus I\n"
            "agent  < T(..a...................b...................) D(......x....[redacted]) C(SELECT 1.) Z(I)\n");
}

TEST(PostgresResults, RowsOfAnUnplannedStatementAreMaskedWhole) {
    Playbook(with("SELECT ssn", masking(model::MaskKind::none)))
        .opened()
        .agent(query("SELECT ssn"))
        .server(description({{"a", 25}, {"b", 25}}) + row({"x", "y"}) + complete("SELECT 1") + description({{"a", 25}}) +
                row({"secret"}) + complete("SELECT 1") + ready())
        .becomes(
            "query 2 [SELECT ssn]\nserver < Q(SELECT ssn.)\nfinished 2 SELECT 1 rows=2 masked=1\n"
            "result 2 T(..a...................b...................) D(......x....y) T(..a...................) "
            "D(......)\nstatus I\n"
            "agent  < T(..a...................b...................) D(......x....y) C(SELECT 1.) T(..a...................) "
            "D(......) "
            "C(SELECT 1.) Z(I)\n");
}

TEST(PostgresResults, ABindWithMasksDescribesItsPortalFirst) {
    Playbook(with("SELECT ssn", masking(model::MaskKind::redact)))
        .opened()
        .agent(parse("", "SELECT ssn") + bind("", "") + execute() + sync())
        .server(message('1') + message('2') + description({{"a", 25}, {"b", 25}}) + row({"x", "secret"}) +
                complete("SELECT 1") + ready())
        .becomes(
            "parse 2 [SELECT ssn]\nbind 3 [SELECT ssn]\nserver < P(.SELECT ssn...) B(.........) D(P.) E(.....) S\n"
            "finished 2 \nfinished 3 SELECT 1 rows=1 masked=1\n"
            "result 3 T(..a...................b...................) D(......x....[redacted])\nstatus I\n"
            "agent  < 1 2 D(......x....[redacted]) C(SELECT 1.) Z(I)\n");
}

TEST(PostgresResults, ErrorsThatCouldQuoteAValueLoseTheirWords) {
    Playbook(with("SELECT ssn::int", masking(model::MaskKind::redact, true)))
        .opened()
        .agent(query("SELECT ssn::int"))
        .server(notice("secret") + error("22P02", "invalid input syntax for type integer: \"secret\"", "ERROR", "secret") +
                ready('T'))
        .agent(query("COMMIT"))
        .server(error("23503", "key (secret) is gone", "ERROR", "secret") + ready())
        .becomes(
            "query 2 [SELECT ssn::int]\nserver < Q(SELECT ssn::int.)\n"
            "finished 2 failed 22P02 the server's words are removed by assent: the statement touches masked data\nstatus T\n"
            "agent  < N(SNOTICE.VNOTICE.C00000.Mthe server's words are removed by assent: the statement touches masked "
            "data..) "
            "E(SERROR.VERROR.C22P02.Mthe server's words are removed by assent: the statement touches masked data..) Z(T)\n"
            "query 3 [COMMIT]\nserver < Q(COMMIT.)\n"
            "finished 3 failed 23503 the server's words are removed by assent: the statement touches masked data\nstatus I\n"
            "agent  < E(SERROR.VERROR.C23503.Mthe server's words are removed by assent: the statement touches masked "
            "data..) Z(I)\n");
}

const std::string copy_out_of_two = message('H', std::string("\0\0\2\0\0\0\0", 7));

TEST(PostgresResults, ACopyIsMaskedInItsFormat) {
    Ruling ruling = masking(model::MaskKind::redact);
    model::CopyLayout layout;
    layout.format = model::CopyFormat::text;
    layout.types = {25, 25};
    ruling.copies = std::make_shared<std::vector<model::CopyLayout>>(1, layout);
    ruling.recorded_result_bytes = 0;
    Playbook(with("COPY", ruling))
        .opened()
        .agent(query("COPY"))
        .server(copy_out_of_two + message('d', "x\tsecret\n") + message('c') + complete("COPY 1") + ready())
        .becomes(
            "query 2 [COPY]\nserver < Q(COPY.)\nfinished 2 COPY 1 rows=1 masked=1\nstatus I\n"
            "agent  < H(.......) d(x.[redacted].) c C(COPY 1.) Z(I)\n");
}

TEST(PostgresResults, ACopyThatCannotBeMaskedEndsTheSession) {
    Playbook(with("COPY", masking(model::MaskKind::redact)))
        .opened()
        .agent(query("COPY"))
        .server(copy_out_of_two + message('d', "x,secret\n"))
        .becomes(
            "query 2 [COPY]\nserver < Q(COPY.)\nfinished 2 failed the session ended first\nserver < X\n"
            "agent  < E(SFATAL.VFATAL.C0A000.Massent: rows of a copy in this format cannot be masked.Dcause=mask "
            "retry=never.HUse COPY with "
            "its default options, or SELECT...)\nclosed: rows of a copy in this format cannot be masked\n");
}

const std::string question_answer =
    message('1') + message('2') + row({"public"}) + complete("SELECT 1") + message('3') + message('3');
const std::string question_asked =
    "P(assent question.SELECT path...) B(assent question.assent question........) E(assent question.....) C(Passent "
    "question.) C(Sassent question.)";

TEST(PostgresQuestions, AreAskedWhenAllBeforeIsAnswered) {
    Playbook::Settings settings;
    settings.rulings["SELECT ssn"] = {asking("SELECT path"), forwarded()};
    Playbook(settings)
        .opened()
        .agent(query("SELECT 1") + query("SELECT ssn"))
        .server(complete("SELECT 0") + ready())
        .server(question_answer + ready())
        .becomes(
            "query 2 [SELECT 1]\nquery 3 [SELECT ssn]\nserver < Q(SELECT 1.)\n"
            "finished 2 SELECT 0\nstatus I\nserver < " +
            question_asked +
            " S\nagent  < C(SELECT 0.) Z(I)\n"
            "answered public\nquery 3 [SELECT ssn]\nserver < Q(SELECT ssn.)\n");
}

TEST(PostgresQuestions, InABatchThatRunsTheTransactionStaysOpen) {
    Playbook::Settings settings;
    settings.rulings["SELECT ssn"] = {asking("SELECT path"), forwarded()};
    Playbook(settings)
        .opened()
        .agent(parse("", "UPDATE x") + bind("", "") + execute() + parse("", "SELECT ssn") + sync())
        .server(message('1') + message('2') + complete("UPDATE 1"))
        .server(question_answer)
        .becomes(
            "parse 2 [UPDATE x]\nbind 3 [UPDATE x]\nparse 4 [SELECT ssn]\nserver < P(.UPDATE x...) B(.........) E(.....) H\n"
            "finished 2 \nfinished 3 UPDATE 1 rows=1\nserver < " +
            question_asked +
            " H\nagent  < 1 2 C(UPDATE 1.)\n"
            "answered public\nparse 4 [SELECT ssn]\nserver < P(.SELECT ssn...) S\n");
}

TEST(PostgresQuestions, AreNotAskedInAFailedTransaction) {
    Playbook::Settings settings;
    settings.rulings["SELECT ssn"] = {asking("SELECT path"), refused()};
    Playbook(settings)
        .opened()
        .agent(query("BEGIN; bad") + query("SELECT ssn"))
        .server(error("42601", "bad") + ready('E'))
        .becomes(
            "query 2 [BEGIN; bad]\nquery 3 [SELECT ssn]\nserver < Q(BEGIN; bad.)\n"
            "finished 2 failed 42601 bad\nstatus E\nquery 3 [SELECT ssn] cannot ask\nserver < Q(assent refused this "
            "command.)\n"
            "agent  < E(SERROR.VERROR.C42601.Mbad..) Z(E)\n");
}

TEST(PostgresQuestions, ThatFailAreNotAskedAgain) {
    Playbook::Settings settings;
    settings.rulings["SELECT ssn"] = {asking("SELECT path"), refused()};
    Playbook(settings)
        .opened()
        .agent(query("SELECT ssn"))
        .server(error("57014", "timeout") + ready())
        .becomes("query 2 [SELECT ssn]\nserver < " + question_asked +
                 " S\n"
                 "query 2 [SELECT ssn] cannot ask\nserver < Q(assent refused this command.)\n");
}

TEST(PostgresQuestions, AHeldCommandOfAFailedBatchIsDropped) {
    Playbook::Settings settings;
    settings.rulings["UPDATE y"] = {ruled(Ruling::Action::wait), forwarded()};
    Playbook(settings)
        .opened()
        .agent(parse("", "UPDATE x") + bind("", "") + execute() + parse("", "UPDATE y") + sync())
        .server(message('1') + message('2') + error("23505", "no"))
        .proceed()
        .becomes(
            "parse 2 [UPDATE x]\nbind 3 [UPDATE x]\nparse 4 [UPDATE y]\nserver < P(.UPDATE x...) B(.........) E(.....)\n"
            "finished 2 \nfinished 3 failed 23505 no\nfinished 4 failed not run: an earlier command of the batch failed\n"
            "server < S\nagent  < 1 2 E(SERROR.VERROR.C23505.Mno..)\n");
}

}  // namespace
}  // namespace assent::test

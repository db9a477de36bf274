#include <gmock/gmock.h>

#include "cli/hold_screen.h"
#include "cli/table.h"

namespace assent::cli {
namespace {

using testing::ElementsAre;

TEST(Table, AlignsByWhatATerminalShows) {
    Table table({{"NAME"}, {"AGE", Table::Align::right}, {"TEXT"}});
    table.add({"ana", "3s", "x"});
    table.add({"日本", "12m", "é"});
    table.add({"e\u0301", "", "last"});
    EXPECT_EQ(table.to_text(),
              "NAME  AGE  TEXT\n"
              "ana    3s  x\n"
              "日本  12m  é\n"
              "e\u0301          last\n");
    EXPECT_EQ(shown_width("日本"), 4U);
    EXPECT_EQ(shown_width("e\u0301"), 1U);
}

TEST(Table, EscapesAndCutsCells) {
    Table table({{"A"}, {"B", Table::Align::left, 8}});
    table.add({"\x1b[2J\nnext", "0123456789"});
    EXPECT_EQ(table.to_text(),
              "A                        B\n"
              "\\u{001B}[2J\\u{000A}next  0123456…\n");
    EXPECT_EQ(cut_to_width("日本語", 4), "日…") << "a wide character is not halved";
    EXPECT_EQ(cut_to_width("abc", 3), "abc");
    EXPECT_EQ(cut_to_width("abc", 0), "");
}

TEST(Table, WhatDoesNotFitGoesOnInTheNextLine) {
    Table table({{"SESSION"}, {"OPENED"}, {"LASTED", Table::Align::right}, {"TEXT", Table::Align::left, 50}});
    table.add({"01kan8t3k2v7m4qd", "2026-11-22 14:29:36", "3s", std::string(60, 'x')});
    table.add({"2", "日本", "", ""});
    EXPECT_EQ(table.to_text(40),
              "SESSION           OPENED\n"
              "    LASTED  TEXT\n"
              "01kan8t3k2v7m4qd  2026-11-22 14:29:36\n"
              "        3s  " +
                  std::string(27, 'x') +
                  "…\n"
                  "2                 日本\n\n");
    EXPECT_EQ(table.to_text(60),
              "SESSION           OPENED               LASTED\n"
              "    TEXT\n"
              "01kan8t3k2v7m4qd  2026-11-22 14:29:36      3s\n"
              "    " +
                  std::string(49, 'x') +
                  "…\n"
                  "2                 日本\n\n");
    EXPECT_EQ(table.to_text(0), table.to_text(200)) << "it fits";
}

TEST(Fields, LongValuesStayBesideTheirTitle) {
    Fields fields;
    fields.add("who", "nightly");
    fields.add("purpose", std::string(30, 'x') + "who: root\nsecond\n");
    EXPECT_EQ(fields.to_text(40),
              "who:      nightly\n"
              "purpose:  " +
                  std::string(30, 'x') +
                  "\n"
                  "          who: root\n"
                  "          second\n");
    Fields words;
    words.add("daemon", "assentd 0.1.0, pid 10279, since 2026-11-22");
    EXPECT_EQ(words.to_text(40), "daemon:  assentd 0.1.0, pid 10279, \n         since 2026-11-22\n");
    EXPECT_EQ(fields.to_text(), "who:      nightly\npurpose:  " + std::string(30, 'x') + "who: root\n          second\n");
}

TEST(Table, DurationsAsPeopleSayThem) {
    EXPECT_EQ(shown_duration(0), "0s");
    EXPECT_EQ(shown_duration(59), "59s");
    EXPECT_EQ(shown_duration(90), "1m 30s");
    EXPECT_EQ(shown_duration(900), "15m");
    EXPECT_EQ(shown_duration(3700), "1h 1m");
    EXPECT_EQ(shown_duration(90000), "1d");
    EXPECT_EQ(shown_duration(-5), "-5s");
}

TEST(HoldScreen, AgentTextStaysBehindItsBar) {
    const Margin margin = {"| ", "+ "};
    EXPECT_THAT(behind(margin, "one\ntwo", 0), ElementsAre("| one", "| two"));
    EXPECT_THAT(behind(margin, "a\tb\rc", 0), ElementsAre("| a    b\\u{000D}c"));
    EXPECT_THAT(behind(margin, "", 80), ElementsAre("| "));
    // A line so long that it wraps cannot put anything at the left edge.
    const auto wrapped = behind(margin, std::string(30, 'x') + "reviewers: none", 32);
    EXPECT_THAT(wrapped, ElementsAre("| " + std::string(30, 'x'), "+ reviewers: none"));
    for (const auto& line : behind(margin, std::string(1000, 'y'), 25)) EXPECT_LE(shown_width(line), 25U);
}

TEST(HoldScreen, AHoldThatIsNotWholeSaysSo) {
    nlohmann::json hold = {
        {"id", "h-234567"}, {"state", "waiting"}, {"text", "UPDATE t"}, {"is_text_whole", true}, {"parameters", {"'1'"}}};
    EXPECT_TRUE(is_whole(hold));
    hold["is_text_whole"] = false;
    EXPECT_FALSE(is_whole(hold));
    EXPECT_THAT(hold_lines(hold, 80), testing::Contains(testing::HasSubstr("not the whole command")));
    hold["is_text_whole"] = true;
    hold.erase("parameters");
    EXPECT_FALSE(is_whole(hold));
    EXPECT_FALSE(is_whole(nlohmann::json::array()));
}

}  // namespace
}  // namespace assent::cli

#include <gtest/gtest.h>

#include "base/json_writer.h"
#include "base/shown_text.h"

namespace assent {
namespace {

TEST(ShownText, KeepsOrdinaryTextOfAnyLanguage) { EXPECT_EQ(shown_text("SELECT 'añ日本' -- ok"), "SELECT 'añ日本' -- ok"); }

TEST(ShownText, EscapesTerminalControlAndBidirectionalMarks) {
    EXPECT_EQ(shown_text("\x1b[2Jx\r\n"), "\\u{001B}[2Jx\\u{000D}\\u{000A}");
    EXPECT_EQ(shown_text("a\xE2\x80\xAE"
                         "b"),
              "a\\u{202E}b");
    EXPECT_EQ(shown_text("\xC2\x9B"
                         "31m"),
              "\\u{009B}31m");
}

TEST(ShownText, EscapesWhatSteersOtherScripts) {
    EXPECT_EQ(shown_text("\U00013437\U0001BCA0\U0001D173"), "\\u{13437}\\u{1BCA0}\\u{1D173}");
}

TEST(ShownText, ShowsInvalidBytes) { EXPECT_EQ(shown_text("\xff\xC0\x80"), "\\xFF\\xC0\\x80"); }

TEST(ShownText, ManyLinesKeepsLayoutOnly) { EXPECT_EQ(shown_text("a\n\tb\r", Lines::many), "a\n\tb\\u{000D}"); }

TEST(JsonWriter, WritesMembersThatParse) {
    std::string out;
    JsonWriter(out)
        .member("a", "q\"\\\n\xff")
        .member("n", 42)
        .member("b", true)
        .strings("l", std::initializer_list<const char*>{"x", "y"});
    EXPECT_EQ(out, "\"a\":\"q\\\"\\\\\\u000a\xEF\xBF\xBD\",\"n\":42,\"b\":true,\"l\":[\"x\",\"y\"]");
}

}  // namespace
}  // namespace assent

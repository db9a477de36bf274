#include <gtest/gtest.h>

#include "base/cursor.h"

namespace assent {
namespace {

using namespace std::string_view_literals;

TEST(Cursor, ReadsBigEndianNumbersAndTexts) {
    Cursor cursor(as_bytes("\x01\x02\x03\x04\x05\x06\x07name\0rest"sv));
    EXPECT_EQ(cursor.u8(), 1);
    EXPECT_EQ(cursor.u16(), 0x0203);
    EXPECT_EQ(cursor.u32(), 0x04050607U);
    EXPECT_EQ(cursor.c_string(), "name");
    EXPECT_EQ(as_text(cursor.take_rest()), "rest");
    EXPECT_TRUE(cursor.finished());
}

TEST(Cursor, FailsForGoodPastTheEnd) {
    Cursor cursor(as_bytes("\xff\xff"sv));
    EXPECT_EQ(cursor.u32(), 0U);
    EXPECT_FALSE(cursor.ok());
    EXPECT_EQ(cursor.u8(), 0);
    EXPECT_FALSE(cursor.finished());
}

TEST(Cursor, TextWithoutItsZeroFails) {
    Cursor cursor(as_bytes("endless"sv));
    EXPECT_EQ(cursor.c_string(), "");
    EXPECT_FALSE(cursor.ok());
}

}  // namespace
}  // namespace assent

#include <gtest/gtest.h>

#include "base/json_depth.h"

namespace assent {
namespace {

TEST(JsonDepth, CountsWhatIsOpenAtOnce) {
    EXPECT_EQ(json_depth(""), 0);
    EXPECT_EQ(json_depth("1"), 0);
    EXPECT_EQ(json_depth("{}"), 1);
    EXPECT_EQ(json_depth(R"({"a":[1,[2]],"b":[]})"), 3);
    EXPECT_EQ(json_depth("[][][]"), 1);
    EXPECT_EQ(json_depth("]]]["), 1);
}

TEST(JsonDepth, DoesNotCountBracketsInStrings) {
    EXPECT_EQ(json_depth(R"({"a":"[[[{"})"), 1);
    EXPECT_EQ(json_depth(R"(["\"[[[", []])"), 2);
    EXPECT_EQ(json_depth(R"("[[[)"), 0);
    EXPECT_EQ(json_depth("\"\\"), 0);
}

}  // namespace
}  // namespace assent

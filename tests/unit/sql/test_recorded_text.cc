#include <gtest/gtest.h>

#include "sql/recorded_text.h"

namespace assent::sql {
namespace {

const Digest key{};

TEST(RecordedText, KeepsOrdinaryText) { EXPECT_EQ(recorded_text("SELECT 'x', 42 -- y", false, key), "SELECT 'x', 42 -- y"); }

TEST(RecordedText, HidesPasswordsOfEveryQuoting) {
    for (const std::string_view text :
         {"ALTER ROLE r PASSWORD 'geheim'", "alter role r password E'ge\\'geheim'", "ALTER ROLE r PASSWORD $$geheim$$",
          "ALTER ROLE r PaSsWoRd $a$geheim$a$", "CREATE SUBSCRIPTION s CONNECTION 'host=h password=geheim' PUBLICATION p",
          "ALTER ROLE r PASSWORD 'it''s geheim'", "ALTER ROLE r PASSWORD 'geheim", "ALTER ROLE r PASSWORD U&'geheim'"}) {
        const std::string kept = recorded_text(text, false, key);
        EXPECT_EQ(kept.find("geheim"), std::string::npos) << kept;
        EXPECT_NE(kept.find("masked:"), std::string::npos) << kept;
    }
}

TEST(RecordedText, HidesValuesAndKeepsNames) {
    EXPECT_EQ(recorded_text("UPDATE \"t'1\" SET a1 = 123456 /* 'c' /* n */ */ WHERE b=$1", true, key),
              "UPDATE \"t'1\" SET a1 = '" + hidden_value("123456", key) + "' /* 'c' /* n */ */ WHERE b=$1");
}

TEST(RecordedText, EqualValuesStayEqual) {
    EXPECT_EQ(hidden_value("4111", key), hidden_value("4111", key));
    EXPECT_NE(hidden_value("4111", key), hidden_value("4112", key));
}

}  // namespace
}  // namespace assent::sql

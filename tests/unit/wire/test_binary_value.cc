// Values as the server's own binary format has them: made by PostgreSQL 15 with `SELECT encode(int4send(5), 'hex')` and its
// like.
#include <gtest/gtest.h>

#include "wire/postgres/binary_value.h"

namespace assent::wire::postgres {
namespace {

std::string shown(std::uint32_t type, std::string_view hex) {
    ByteVector bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    }
    return text_of_binary(type, bytes).value_or("(not decoded)");
}

TEST(BinaryValue, NumbersAndTruth) {
    EXPECT_EQ(shown(16, "01"), "true");
    EXPECT_EQ(shown(16, "02"), "(not decoded)");
    EXPECT_EQ(shown(21, "fffe"), "-2");
    EXPECT_EQ(shown(23, "00000005"), "5");
    EXPECT_EQ(shown(20, "ffffffffffffffff"), "-1");
    EXPECT_EQ(shown(26, "ffffffff"), "4294967295");
    EXPECT_EQ(shown(700, "3fc00000"), "1.5");
    EXPECT_EQ(shown(701, "bff8000000000000"), "-1.5");
    EXPECT_EQ(shown(701, "fff0000000000000"), "-Infinity");
    EXPECT_EQ(shown(23, "0005"), "(not decoded)");
    EXPECT_EQ(shown(23, "0000000500"), "(not decoded)");
}

TEST(BinaryValue, Numerics) {
    EXPECT_EQ(shown(1700, "0002000000000002000c0d48"), "12.34");
    EXPECT_EQ(shown(1700, "0001ffff4000000403e8"), "-0.1000");
    EXPECT_EQ(shown(1700, "0002000100000000000109c4"), "12500");
    EXPECT_EQ(shown(1700, "0001000200000000007b"), "12300000000");
    EXPECT_EQ(shown(1700, "0000000000000000"), "0");
    EXPECT_EQ(shown(1700, "00000000c0000000"), "NaN");
    EXPECT_EQ(shown(1700, "0001fffe0000000803e8"), "0.00001000");
    EXPECT_EQ(shown(1700, "00017fff000000000001"), "(not decoded)") << "a hundred thousand zeros";
    EXPECT_EQ(shown(1700, "0002000000000000000c0d48"), "(not decoded)") << "digits that its scale would hide";
}

TEST(BinaryValue, TextsAndBytes) {
    EXPECT_EQ(shown(25, "616263"), "abc");
    EXPECT_EQ(shown(25, "610063"), "(not decoded)");
    EXPECT_EQ(shown(3802, "017b7d"), "{}");
    EXPECT_EQ(shown(3802, "027b7d"), "(not decoded)");
    EXPECT_EQ(shown(17, "00ff"), "\\x00ff");
    EXPECT_EQ(shown(2950, "a0eebc999c0b4ef8bb6d6bb9bd380a11"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    EXPECT_EQ(shown(869, "022000040a000005"), "10.0.0.5/32");
    EXPECT_EQ(shown(869, "0380001000000000000000000000000000000001"), "0:0:0:0:0:0:0:1/128");
}

TEST(BinaryValue, Times) {
    EXPECT_EQ(shown(1082, "00000000"), "2000-01-01");
    EXPECT_EQ(shown(1082, "000022bb"), "2024-05-05");
    EXPECT_EQ(shown(1082, "fff4dbf8"), "0001-12-31 BC");
    EXPECT_EQ(shown(1082, "7fffffff"), "infinity");
    EXPECT_EQ(shown(1114, "0002bab134215a00"), "2024-05-05 10:30:00");
    EXPECT_EQ(shown(1184, "ffffffffffffffff"), "1999-12-31 23:59:59.999999+00");
    EXPECT_EQ(shown(1083, "00000008cd0e3a00"), "10:30:00");
    EXPECT_EQ(shown(1186, "00000000d693a4000000000200000001"), "1 months 2 days 01:00:00");
}

TEST(BinaryValue, Arrays) {
    EXPECT_EQ(shown(1007, "00000001000000010000001700000002000000010000000400000001ffffffff"), "{1,NULL}");
    EXPECT_EQ(shown(1009, "0000000100000000000000190000000200000001000000044e554c4c00000003612c22"),
              "{\"NULL\",\"a,\\\"\"}");
    EXPECT_EQ(shown(1007, "000000000000000000000017"), "{}");
    EXPECT_EQ(shown(1007, "000000000000000000000019"), "(not decoded)") << "of another type";
    EXPECT_EQ(shown(1007, "0000000100000000000000177fffffff00000001"), "(not decoded)");
}

TEST(BinaryValue, EveryCutIsRefused) {
    const std::string whole = "0000000100000000000000190000000200000001000000044e554c4c00000003612c22";
    for (std::size_t size = 0; size < whole.size(); size += 2)
        EXPECT_EQ(shown(1009, whole.substr(0, size)), "(not decoded)");
}

TEST(BinaryValue, TypesHaveTheServersNames) {
    EXPECT_EQ(type_name(23), "int4");
    EXPECT_EQ(type_name(1009), "text[]");
    EXPECT_EQ(type_name(600), "type 600");
    EXPECT_FALSE(is_quoted_type(1700));
    EXPECT_TRUE(is_quoted_type(1007));
}

}  // namespace
}  // namespace assent::wire::postgres

// Answers lose the keys of Encrypted Client Hello, and nothing else.
#include <gtest/gtest.h>

#include "wire/dns/answer.h"
#include "wire/dns/ech.h"
#include "wire/dns/query.h"

namespace assent::wire::dns {
namespace {

using namespace std::string_view_literals;

constexpr auto question = "\3www\4test\0\0\x41\0\1"sv;  // HTTPS

std::string record(std::string_view data) {
    std::string out("\xc0\x0c\0\x41\0\1\0\0\0\x3c"sv);
    out.push_back(static_cast<char>(data.size() >> 8U));
    out.push_back(static_cast<char>(data.size() & 0xffU));
    return out.append(data);
}

ByteVector answer(std::string_view data, std::string_view more = {}) {
    std::string out("\0\7\x81\x80\0\1\0"sv);
    out.push_back(more.empty() ? '\1' : '\2');
    out.append("\0\0\0\1"sv).append(question).append(record(data)).append(more);
    out.append("\0\0\x29\x04\xd0\0\0\0\0\0\0"sv);
    const auto bytes = as_bytes(out);
    return {bytes.begin(), bytes.end()};
}

// Priority 1, target ".", alpn h2, ech, an IPv6 hint.
constexpr auto with_key = "\0\1\0\0\1\0\3\2h2\0\5\0\6secret\0\6\0\2hi"sv;
constexpr auto without_key = "\0\1\0\0\1\0\3\2h2\0\6\0\2hi"sv;

// What is left; nothing: there was none to take out.
std::optional<ByteVector> stripped(Bytes message) {
    auto out = without_ech(message);
    EXPECT_TRUE(out.has_value());
    return out.value_or(std::nullopt);
}

TEST(Ech, is_taken_out) {
    const auto out = stripped(answer(with_key));
    ASSERT_TRUE(out.has_value());
    const auto text = as_text(*out);
    EXPECT_EQ(text.find("secret"), std::string_view::npos);
    EXPECT_NE(text.find(without_key), std::string_view::npos);
    EXPECT_TRUE(text.ends_with("\0\0\x29\x04\xd0\0\0\0\0\0\0"sv));
    EXPECT_TRUE(parse_answer(*out).has_value());
    EXPECT_FALSE(stripped(*out).has_value());
}

TEST(Ech, what_has_none_stays_as_it_is) { EXPECT_FALSE(stripped(answer(without_key)).has_value()); }

TEST(Ech, what_cannot_be_read_is_said_to_be_so) {
    EXPECT_FALSE(without_ech({}).has_value());
    auto many = answer(with_key);
    many[7] = std::byte{0xff};  // of the number of answers
    EXPECT_FALSE(without_ech(many).has_value());
}

TEST(Ech, a_record_that_is_of_no_use_without_it_goes) {
    const auto out = stripped(answer("\0\1\0\0\0\0\2\0\5\0\5\0\6secret"sv));
    ASSERT_TRUE(out.has_value());
    EXPECT_EQ(std::to_integer<int>((*out)[7]), 0);
    EXPECT_EQ(as_text(*out).find("secret"), std::string_view::npos);
}

TEST(Ech, addresses_and_aliases_stay_and_its_signatures_go) {
    const auto alias = "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x10"sv;  // CNAME test
    const auto kept = stripped(answer(with_key, alias));
    ASSERT_TRUE(kept.has_value());
    EXPECT_EQ(parse_answer(*kept)->aliases.at(0).leads_to, "test");
    const auto signature = "\xc0\x0c\0\x2e\0\1\0\0\0\x3c\0\4\0\x41\x08\2"sv;  // RRSIG over HTTPS
    const auto dropped = stripped(answer(with_key, signature));
    ASSERT_TRUE(dropped.has_value());
    EXPECT_EQ(std::to_integer<int>((*dropped)[7]), 1);
}

TEST(Ech, what_is_cut_off_anywhere_does_no_harm) {
    const auto whole = answer(with_key);
    for (std::size_t size = 0; size < whole.size(); ++size) static_cast<void>(without_ech(Bytes(whole).first(size)));
}

}  // namespace
}  // namespace assent::wire::dns

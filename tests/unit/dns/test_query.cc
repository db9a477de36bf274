// Queries of agents: what is read of them, what is passed on, and which answers count.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "wire/dns/query.h"

namespace assent::wire::dns {
namespace {

ByteVector bytes(std::string_view text) {
    const auto view = as_bytes(text);
    return {view.begin(), view.end()};
}

// Id 0x1234, RD, one question: www.Example.com A IN; `additional` is appended, and counted when it is not empty.
ByteVector query(std::string_view additional = {}, std::string_view flags = std::string_view("\x01\x00", 2)) {
    using namespace std::string_view_literals;
    std::string out = "\x12\x34";
    out.append(flags).append("\0\1\0\0\0\0\0"sv).append(1, additional.empty() ? '\0' : '\1');
    out.append("\3www\7Example\3com\0\0\1\0\1"sv).append(additional);
    return bytes(out);
}

using namespace std::string_view_literals;
// 4096 bytes, DO, and a cookie that must not go further.
constexpr auto edns = "\0\0\x29\x10\0\0\0\x80\0\0\x0c\0\x0a\0\x08secretly"sv;

TEST(DnsQuery, is_read) {
    const auto read = parse_query(query(edns));
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_EQ(read->id, 0x1234);
    EXPECT_EQ(read->name, "www.example.com");
    EXPECT_EQ(read->labels, (std::vector<std::string>{"www", "example", "com"}));
    EXPECT_EQ(read->type, 1);
    EXPECT_TRUE(read->is_recursion_desired);
    EXPECT_TRUE(read->edns.is_present);
    EXPECT_TRUE(read->edns.wants_dnssec);
    EXPECT_EQ(datagram_of(*read), 4096U);
    EXPECT_EQ(datagram_of(*parse_query(query())), 512U);
}

TEST(DnsQuery, goes_on_without_what_the_agent_could_hide_in_it) {
    const auto read = parse_query(query(edns));
    ASSERT_TRUE(read.has_value());
    const auto forwarded = to_resolver(*read, 0xabcd);
    const std::string text(as_text(forwarded));
    EXPECT_TRUE(text.starts_with("\xab\xcd\x01\x00"sv));
    EXPECT_NE(text.find("\3www\7example\3com"sv), std::string::npos);
    EXPECT_EQ(text.find("secretly"), std::string::npos);
    const auto again = parse_query(forwarded);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->edns.datagram, 4096);
    EXPECT_TRUE(again->edns.wants_dnssec);
    EXPECT_FALSE(parse_query(to_resolver(*parse_query(query()), 1))->edns.is_present);
}

TEST(DnsQuery, is_refused_when_it_is_something_else) {
    for (std::size_t size = 0; size < query().size(); ++size) {
        auto cut = query();
        cut.resize(size);
        EXPECT_FALSE(parse_query(cut).has_value()) << size;
        EXPECT_EQ(answer_unread(cut, Errc::malformed).empty(), size < 12);
    }
    auto longer = query();
    longer.push_back(std::byte{1});
    EXPECT_FALSE(parse_query(longer).has_value());
    const auto update = query({}, "\x28\0"sv);
    EXPECT_EQ(parse_query(update).error().code, Errc::unsupported);
    EXPECT_EQ(code_of(answer_unread(update, Errc::unsupported)), Code::not_implemented);
    const auto answer = query({}, "\x81\x80"sv);
    EXPECT_FALSE(parse_query(answer).has_value());
    EXPECT_TRUE(answer_unread(answer, Errc::malformed).empty());
    auto pointer = query();
    pointer[12] = std::byte{0xc0};
    EXPECT_FALSE(parse_query(pointer).has_value());
    auto two = query();
    two[5] = std::byte{2};
    EXPECT_FALSE(parse_query(two).has_value());
    // TSIG instead of EDNS.
    EXPECT_FALSE(parse_query(query("\0\0\xfa\0\xff\0\0\0\0\0\0"sv)).has_value());
}

TEST(DnsQuery, takes_only_its_own_answer) {
    const auto asked = *parse_query(query());
    auto reply = to_resolver(asked, 7);
    EXPECT_FALSE(is_answer_to(asked, 7, reply));  // a query
    reply[2] |= std::byte{0x80};
    EXPECT_TRUE(is_answer_to(asked, 7, reply));
    EXPECT_FALSE(is_answer_to(asked, 8, reply));
    auto upper = reply;
    upper[13] = std::byte{'W'};
    EXPECT_TRUE(is_answer_to(asked, 7, upper));
    auto other = reply;
    other[13] = std::byte{'x'};
    EXPECT_FALSE(is_answer_to(asked, 7, other));
    auto type = reply;
    type[type.size() - 3] = std::byte{28};
    EXPECT_FALSE(is_answer_to(asked, 7, type));
    auto cut = reply;
    cut.pop_back();
    EXPECT_FALSE(is_answer_to(asked, 7, cut));
}

TEST(DnsQuery, gets_the_answer_as_it_is) {
    const auto asked = *parse_query(query());
    auto reply = to_resolver(asked, 7);
    reply[2] |= std::byte{0x80};
    append(reply, as_bytes("whatever follows"));
    auto expected = reply;
    std::ranges::copy(as_bytes("\x12\x34"), expected.begin());
    std::ranges::copy(asked.question, expected.begin() + 12);
    EXPECT_EQ(to_agent(asked, reply, 512), expected);
    EXPECT_NE(as_text(expected).find("Example"), std::string_view::npos);
    const auto cut = to_agent(asked, reply, reply.size() - 1);
    EXPECT_EQ(cut.size(), 12 + asked.question.size());
    EXPECT_EQ(std::to_integer<int>(cut[2]) & 0x02, 0x02);
}

TEST(DnsQuery, is_told_why_it_is_refused_if_it_can_be) {
    const auto plain = make_answer(*parse_query(query()), Code::refused, {info_code::blocked, "assent: no"});
    EXPECT_EQ(code_of(plain), Code::refused);
    EXPECT_EQ(as_text(plain).find("assent: no"), std::string_view::npos);
    const auto told = make_answer(*parse_query(query(edns)), Code::refused, {info_code::blocked, "assent: no"});
    EXPECT_TRUE(
        as_text(told).ends_with("\0\x10\0\x0f\0\x0c\0\x0f"
                                "assent: no"sv));
    EXPECT_TRUE(is_answer_to(*parse_query(query(edns)), 0x1234, told));
    const auto bad = make_answer(*parse_query(query(edns)), Code::bad_version, {});
    EXPECT_EQ(code_of(bad), Code::no_error);  // its upper bits say it
    EXPECT_EQ(std::to_integer<int>(bad[12 + 21 + 5]), 1);
}

}  // namespace
}  // namespace assent::wire::dns

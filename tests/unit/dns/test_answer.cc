// DNS answers, true and hostile.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "wire/dns/answer.h"

namespace assent::wire::dns {
namespace {

// Builds a message piece by piece.
class Message {
public:
    explicit Message(std::uint16_t flags = 0x8180, std::uint16_t questions = 1) {
        u16(0x1234).u16(flags).u16(questions).u16(0).u16(0).u16(0);
    }
    Message& u8(unsigned value) {
        bytes_.push_back(static_cast<std::byte>(value));
        return *this;
    }
    Message& u16(unsigned value) { return u8(value >> 8U & 0xffU).u8(value & 0xffU); }
    Message& u32(std::uint32_t value) { return u16(value >> 16U).u16(value & 0xffffU); }
    Message& name(std::string_view text) {
        while (!text.empty()) {
            const auto label = text.substr(0, text.find('.'));
            u8(static_cast<unsigned>(label.size()));
            append(bytes_, as_bytes(label));
            text.remove_prefix(std::min(label.size() + 1, text.size()));
        }
        return u8(0);
    }
    Message& pointer(unsigned place) { return u16(0xc000U | place); }
    Message& question(std::string_view text, unsigned type = 1) { return name(text).u16(type).u16(1); }
    Message& head(unsigned type, std::uint32_t ttl, unsigned size) { return counted().u16(type).u16(1).u32(ttl).u16(size); }
    Message& address(std::uint32_t value, std::uint32_t ttl = 60) { return head(1, ttl, 4).u32(value); }
    Message& counted() {
        bytes_[7] = static_cast<std::byte>(std::to_integer<unsigned>(bytes_[7]) + 1U);
        return *this;
    }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] Bytes bytes() const { return bytes_; }
    Message& count(unsigned answers) {
        bytes_[6] = static_cast<std::byte>(answers >> 8U);
        bytes_[7] = static_cast<std::byte>(answers & 0xffU);
        return *this;
    }

private:
    ByteVector bytes_;
};

constexpr unsigned question_place = 12;

std::vector<std::string> texts(const std::vector<AddressRecord>& records) {
    std::vector<std::string> out;
    for (const auto& record : records)
        out.push_back(record.name + " " + record.address.to_text() + " " + std::to_string(record.ttl_seconds));
    return out;
}

TEST(DnsAnswer, gives_the_addresses_of_the_question) {
    Message message;
    message.question("Payments-DB.internal")
        .pointer(question_place)
        .address(0x0a000005)
        .pointer(question_place)
        .address(0x0a000006, 30);
    const auto answer = parse_answer(message.bytes());
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(answer->question, "payments-db.internal");
    EXPECT_EQ(answer->id, 0x1234);
    EXPECT_EQ(texts(answer->of_question()),
              (std::vector<std::string>{"payments-db.internal 10.0.0.5 60", "payments-db.internal 10.0.0.6 30"}));
}

TEST(DnsAnswer, follows_aliases_with_the_least_ttl) {
    Message message;
    message.question("db.internal", 28);
    message.pointer(question_place).head(5, 20, 13);
    const auto second = static_cast<unsigned>(message.size());
    message.name("real.inside").pointer(second).head(28, 300, 16).u32(0xfd000000).u32(0).u32(0).u32(5);
    const auto answer = parse_answer(message.bytes());
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    ASSERT_EQ(answer->aliases.size(), 1U);
    EXPECT_EQ(answer->aliases[0].leads_to, "real.inside");
    EXPECT_EQ(texts(answer->of_question()), (std::vector<std::string>{"db.internal fd00::5 20"}));
}

TEST(DnsAnswer, teaches_nothing_of_names_that_were_not_asked_for) {
    // The owner of evil.com answers for payments-db.internal too, beside and behind an alias.
    Message message;
    message.question("evil.com").pointer(question_place).head(5, 60, 22);
    const auto target = static_cast<unsigned>(message.size());
    message.name("payments-db.internal").pointer(target).address(0x06060606).name("other.internal").address(0x06060607);
    const auto answer = parse_answer(message.bytes());
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(answer->addresses.size(), 2U);
    EXPECT_EQ(texts(answer->of_question()), (std::vector<std::string>{"evil.com 6.6.6.6 60"}));
}

TEST(DnsAnswer, a_circle_of_aliases_ends) {
    Message message;
    message.question("a.test").pointer(question_place).head(5, 60, 8);
    const auto other = static_cast<unsigned>(message.size());
    message.name("b.test").pointer(other).head(5, 60, 2).pointer(question_place);
    const auto answer = parse_answer(message.bytes());
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_TRUE(answer->of_question().empty());
}

TEST(DnsAnswer, pointers_go_backwards_only) {
    Message itself;
    itself.pointer(question_place).u16(1).u16(1);
    EXPECT_EQ(parse_answer(itself.bytes()).error().code, Errc::malformed);
    Message forwards;
    forwards.pointer(16).u16(1).u16(1).name("later.test");
    EXPECT_EQ(parse_answer(forwards.bytes()).error().code, Errc::malformed);
    Message beyond;
    beyond.pointer(0x3fff).u16(1).u16(1);
    EXPECT_EQ(parse_answer(beyond.bytes()).error().code, Errc::malformed);
    // A label that leads back into the piece that is being read.
    Message loop;
    loop.question("a.test").u8(1).u8('x').pointer(static_cast<unsigned>(question_place + 12)).address(1);
    EXPECT_EQ(parse_answer(loop.bytes()).error().code, Errc::malformed);
}

TEST(DnsAnswer, names_end) {
    Message longest;
    std::string name;
    for (int i = 0; i < 127; ++i) name += i == 0 ? "a" : ".a";
    longest.question(name);
    EXPECT_TRUE(parse_answer(longest.bytes()).has_value());
    Message longer;
    longer.question(name + ".a");
    EXPECT_FALSE(parse_answer(longer.bytes()).has_value());
    Message reserved;
    reserved.u8(0x40).u8(0).u16(1).u16(1);
    EXPECT_FALSE(parse_answer(reserved.bytes()).has_value());
}

TEST(DnsAnswer, strange_bytes_of_a_name_are_shown_and_never_equal_a_plain_one) {
    Message message;
    message.u8(4).u8('a').u8('.').u8('b').u8(0).u8(0).u16(1).u16(1);
    const auto answer = parse_answer(message.bytes());
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->question, "a\\046b\\000");
}

TEST(DnsAnswer, v4_mapped_addresses_are_ipv4) {
    Message message;
    message.question("m.test", 28).pointer(question_place).head(28, 60, 16).u32(0).u32(0).u32(0xffff).u32(0x0a000005);
    EXPECT_EQ(texts(parse_answer(message.bytes())->of_question()), (std::vector<std::string>{"m.test 10.0.0.5 60"}));
}

TEST(DnsAnswer, of_another_class_or_type_is_passed_over) {
    Message message;
    message.question("t.test").pointer(question_place).counted().u16(16).u16(1).u32(1).u16(3).u8(2).u8('h').u8('i');
    message.pointer(question_place).counted().u16(1).u16(3).u32(1).u16(4).u32(1);
    const auto answer = parse_answer(message.bytes());
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_TRUE(answer->addresses.empty());
}

TEST(DnsAnswer, questions_and_other_messages_are_refused) {
    EXPECT_FALSE(parse_answer(Message(0x0100).question("q.test").bytes()).has_value());
    EXPECT_FALSE(parse_answer(Message(0xa800).question("update.test").bytes()).has_value());
    EXPECT_FALSE(parse_answer(Message(0x8180, 0).bytes()).has_value());
    EXPECT_FALSE(parse_answer(Message(0x8180, 2).question("a.test").question("b.test").bytes()).has_value());
    EXPECT_FALSE(parse_answer({}).has_value());
}

TEST(DnsAnswer, sizes_that_lie_are_refused) {
    Message short_address;
    short_address.question("s.test").pointer(question_place).head(1, 60, 3).u8(1).u8(2).u8(3);
    EXPECT_FALSE(parse_answer(short_address.bytes()).has_value());
    Message beyond;
    beyond.question("s.test").pointer(question_place).head(16, 60, 500).u8(1);
    EXPECT_FALSE(parse_answer(beyond.bytes()).has_value());
    Message alias;
    alias.question("s.test").pointer(question_place).head(5, 60, 1).name("longer.test");
    EXPECT_FALSE(parse_answer(alias.bytes()).has_value());
    Message missing;
    missing.question("s.test").count(3);
    EXPECT_EQ(parse_answer(missing.bytes()).error().code, Errc::malformed);
    Message many;
    many.question("s.test").count(static_cast<unsigned>(limits::dns_records + 1));
    EXPECT_EQ(parse_answer(many.bytes()).error().code, Errc::limit);
}

TEST(DnsAnswer, cut_anywhere_is_refused_or_read_never_over_its_end) {
    Message message;
    message.question("payments-db.internal").pointer(question_place).address(0x0a000005);
    for (std::size_t size = 0; size < message.size(); ++size)
        EXPECT_FALSE(parse_answer(message.bytes().first(size)).has_value()) << size;
}

}  // namespace
}  // namespace assent::wire::dns

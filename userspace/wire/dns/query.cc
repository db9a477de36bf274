#include "wire/dns/query.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/limits.h"
#include "model/dns_type.h"
#include "wire/dns/reader.h"

namespace assent::wire::dns {
namespace {

constexpr std::uint16_t dnssec_bit = 0x8000;  // of the OPT record's TTL field, lower half
constexpr std::uint16_t option_extended_error = 15;
constexpr std::size_t extended_error_text = 200;

std::unexpected<Error> malformed_query(std::string_view what) {
    return fail(Errc::malformed, fmt::format("DNS query: {}", what));
}

class Writer {
public:
    void u8(unsigned value) { out_.push_back(static_cast<std::byte>(value & 0xffU)); }
    void u16(unsigned value) {
        u8(value >> 8U);
        u8(value);
    }
    void bytes(Bytes value) { out_.insert(out_.end(), value.begin(), value.end()); }
    [[nodiscard]] ByteVector take() { return std::move(out_); }

private:
    ByteVector out_;
};

std::byte lower_byte(std::byte b) { return static_cast<std::byte>(to_lower(static_cast<char>(b))); }

// Length bytes are below 'A', so the whole question can be compared and changed as text.
static_assert(63 < 'A');

Result<> read_question(Reader& reader, Bytes message, Query& out) {
    auto& cursor = reader.cursor();
    const std::size_t begin = reader.place();
    for (std::uint8_t length = cursor.u8(); length != 0; length = cursor.u8()) {
        if ((length & pointer_bits) != 0) return malformed_query("its question is compressed");
        std::string label(as_text(cursor.bytes(length)));
        if (!cursor.ok()) break;
        append_label(out.name, label);
        std::ranges::transform(label, label.begin(), to_lower);
        out.labels.push_back(std::move(label));
        if (reader.place() - begin >= name_size) return malformed_query("its name is too long");
    }
    if (!cursor.ok()) return malformed_query("its question is broken");
    out.type = cursor.u16();
    out.record_class = cursor.u16();
    if (!cursor.ok()) return malformed_query("its question is cut off");
    const Bytes question = message.subspan(begin, reader.place() - begin);
    out.question.assign(question.begin(), question.end());
    return {};
}

Result<> read_edns(Reader& reader, Query& out) {
    auto& cursor = reader.cursor();
    const auto owner = cursor.u8();
    const auto type = cursor.u16();
    out.edns.datagram = std::max<std::uint16_t>(512, cursor.u16());
    cursor.u8();  // the upper bits of a code
    out.edns.version = cursor.u8();
    out.edns.wants_dnssec = (cursor.u16() & dnssec_bit) != 0;
    const auto size = cursor.u16();
    cursor.bytes(size);
    if (!cursor.ok() || owner != 0 || type != model::dns_type::opt)
        return malformed_query("its additional record is not EDNS");
    out.edns.is_present = true;
    return {};
}

void write_edns(Writer& out, std::size_t datagram, bool wants_dnssec, Code code, const ExtendedError& error) {
    out.u8(0);
    out.u16(model::dns_type::opt);
    out.u16(static_cast<unsigned>(datagram));
    out.u8(static_cast<unsigned>(code) >> 4U);
    out.u8(0);  // the version
    out.u16(wants_dnssec ? dnssec_bit : 0U);
    if (error.text.empty()) return out.u16(0);
    const auto text = std::string_view(error.text).substr(0, extended_error_text);
    out.u16(static_cast<unsigned>(text.size() + 6));
    out.u16(option_extended_error);
    out.u16(static_cast<unsigned>(text.size() + 2));
    out.u16(error.info_code);
    out.bytes(as_bytes(text));
}

void write_header(Writer& out, std::uint16_t id, unsigned flags, bool has_edns) {
    out.u16(id);
    out.u16(flags);
    out.u16(1);
    out.u16(0);
    out.u16(0);
    out.u16(has_edns ? 1U : 0U);
}

}  // namespace

std::string to_text(Code code) {
    static constexpr std::array<std::string_view, 6> names{"NOERROR",  "FORMERR", "SERVFAIL",
                                                           "NXDOMAIN", "NOTIMP",  "REFUSED"};
    const auto number = static_cast<std::size_t>(code);
    if (code == Code::bad_version) return "BADVERS";
    return number < names.size() ? std::string(names[number]) : fmt::format("RCODE{}", number);
}

Result<Query> parse_query(Bytes message) {
    Reader reader(message);
    auto& cursor = reader.cursor();
    Query out;
    out.id = cursor.u16();
    const auto flags = cursor.u16();
    const auto questions = cursor.u16();
    const auto answers = cursor.u16();
    const auto authorities = cursor.u16();
    const auto additional = cursor.u16();
    if (!cursor.ok()) return malformed_query("it is shorter than its header");
    if ((flags & flag::answer) != 0) return malformed_query("it is an answer");
    if ((flags & flag::opcode) != 0) return fail(Errc::unsupported, "DNS query: it is not a plain query");
    // Notifications and updates aside, queries carry nothing but the question and EDNS; a signed one (TSIG) cannot be passed
    // on.
    if (questions != 1 || answers != 0 || authorities != 0 || additional > 1)
        return malformed_query("it has other parts than one question");
    out.is_recursion_desired = (flags & flag::recursion_desired) != 0;
    out.is_authentic_wanted = (flags & flag::authentic) != 0;
    out.is_checking_disabled = (flags & flag::checking_disabled) != 0;
    if (auto read = read_question(reader, message, out); !read) return std::unexpected(read.error());
    if (additional == 1)
        if (auto read = read_edns(reader, out); !read) return std::unexpected(read.error());
    if (!cursor.at_end()) return malformed_query("there is something behind it");
    return out;
}

ByteVector answer_unread(Bytes message, Errc why) {
    Cursor cursor(message);
    const auto id = cursor.u16();
    const auto flags = cursor.u16();
    if (message.size() < header_size || (flags & flag::answer) != 0) return {};
    Writer out;
    const auto code = why == Errc::unsupported ? Code::not_implemented : Code::format_error;
    out.u16(id);
    out.u16(flag::answer | (flags & (flag::opcode | flag::recursion_desired)) | static_cast<unsigned>(code));
    for (int i = 0; i < 4; ++i) out.u16(0);
    return out.take();
}

ByteVector to_resolver(const Query& query, std::uint16_t id) {
    Writer out;
    const unsigned flags = (query.is_recursion_desired ? flag::recursion_desired : 0U) |
                           (query.is_authentic_wanted ? flag::authentic : 0U) |
                           (query.is_checking_disabled ? flag::checking_disabled : 0U);
    write_header(out, id, flags, query.edns.is_present);
    ByteVector question = query.question;
    // Type and class are not letters.
    std::transform(question.begin(), question.end() - 4, question.begin(), lower_byte);
    out.bytes(question);
    if (query.edns.is_present) write_edns(out, datagram_of(query), query.edns.wants_dnssec, Code::no_error, {});
    return out.take();
}

bool is_answer_to(const Query& query, std::uint16_t id, Bytes message) {
    Cursor cursor(message);
    const auto message_id = cursor.u16();
    const auto flags = cursor.u16();
    const auto questions = cursor.u16();
    cursor.bytes(6);
    if (!cursor.ok() || message_id != id || (flags & flag::answer) == 0 || (flags & flag::opcode) != 0) return false;
    if (questions == 0) return (flags & flag::code) != 0;
    const auto question = cursor.bytes(query.question.size());
    if (questions != 1 || !cursor.ok()) return false;
    const auto names = query.question.size() - 4;
    return std::ranges::equal(question.first(names), Bytes(query.question).first(names), {}, lower_byte, lower_byte) &&
           std::ranges::equal(question.last(4), Bytes(query.question).last(4));
}

ByteVector to_agent(const Query& query, Bytes answer, std::size_t most) {
    Cursor cursor(answer);
    cursor.u32();
    const bool has_question = cursor.u16() == 1 && answer.size() >= header_size + query.question.size();
    if (!has_question) return make_answer(query, code_of(answer));
    if (answer.size() > most) return make_answer(query, code_of(answer), {}, true);
    ByteVector out(answer.begin(), answer.end());
    out[0] = static_cast<std::byte>(query.id >> 8U);
    out[1] = static_cast<std::byte>(query.id & 0xffU);
    std::ranges::copy(query.question, out.begin() + header_size);
    return out;
}

Code code_of(Bytes answer) {
    Cursor cursor(answer);
    cursor.u16();
    return static_cast<Code>(cursor.u16() & flag::code);
}

std::size_t datagram_of(const Query& query) { return std::min<std::size_t>(query.edns.datagram, limits::dns_datagram); }

ByteVector make_answer(const Query& query, Code code, const ExtendedError& error, bool is_truncated) {
    Writer out;
    const unsigned flags = flag::answer | flag::recursion_available | (is_truncated ? flag::truncated : 0U) |
                           (query.is_recursion_desired ? flag::recursion_desired : 0U) |
                           (query.is_checking_disabled ? flag::checking_disabled : 0U) |
                           (static_cast<unsigned>(code) & flag::code);
    write_header(out, query.id, flags, query.edns.is_present);
    out.bytes(query.question);
    if (query.edns.is_present) write_edns(out, limits::dns_own_datagram, query.edns.wants_dnssec, code, error);
    return out.take();
}

}  // namespace assent::wire::dns

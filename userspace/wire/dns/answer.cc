#include "wire/dns/answer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/limits.h"
#include "model/dns_type.h"
#include "wire/dns/query.h"
#include "wire/dns/reader.h"

namespace assent::wire::dns {
namespace {

using namespace model::dns_type;

std::unexpected<Error> malformed(std::string_view what) {
    return fail(Errc::malformed, fmt::format("DNS answer: {}", what));
}

model::IpAddress to_address(Bytes data, bool is_v6) {
    model::IpAddress out;
    out.is_v6 = is_v6;
    std::ranges::transform(data, out.bytes.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
    // One spelling: a v4-mapped AAAA is the IPv4 address.
    static constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (!is_v6 || !std::equal(mapped.begin(), mapped.end(), out.bytes.begin())) return out;
    model::IpAddress v4;
    std::copy_n(out.bytes.begin() + 12, 4, v4.bytes.begin());
    return v4;
}

Result<> read_record(Reader& reader, Answer& out) {
    auto name = reader.name();
    if (!name) return malformed("a record's name is broken");
    auto& cursor = reader.cursor();
    const auto type = cursor.u16();
    const auto record_class = cursor.u16();
    const auto ttl = cursor.u32();
    const auto size = cursor.u16();
    if (!cursor.ok() || size > cursor.remaining()) return malformed("a record ends before its data");
    if (record_class == class_internet && type == cname) {
        const auto end = reader.place() + size;
        auto leads_to = reader.name();
        if (!leads_to || reader.place() != end) return malformed("an alias is broken");
        out.aliases.push_back({std::move(*name), std::move(*leads_to), ttl});
        return {};
    }
    const auto data = cursor.bytes(size);
    const bool is_address = record_class == class_internet && (type == a || type == aaaa);
    if (!is_address) return {};
    if (size != (type == a ? 4 : 16)) return malformed("an address of the wrong size");
    out.addresses.push_back({std::move(*name), to_address(data, type == aaaa), ttl});
    return {};
}

}  // namespace

std::vector<AddressRecord> Answer::of_question() const {
    std::vector<AddressRecord> out;
    std::string_view name = question;
    std::uint32_t ttl = ~0U;
    // Each alias can be followed once: a circle ends.
    for (std::size_t steps = 0; steps <= aliases.size(); ++steps) {
        for (const auto& record : addresses)
            if (record.name == name) out.push_back({question, record.address, std::min(ttl, record.ttl_seconds)});
        if (!out.empty()) break;
        const auto next = std::ranges::find(aliases, name, &Alias::name);
        if (next == aliases.end()) break;
        name = next->leads_to;
        ttl = std::min(ttl, next->ttl_seconds);
    }
    return out;
}

Result<Answer> parse_answer(Bytes message) {
    Reader reader(message);
    auto& cursor = reader.cursor();
    Answer out;
    out.id = cursor.u16();
    const auto flags = cursor.u16();
    const auto questions = cursor.u16();
    const auto answers = cursor.u16();
    cursor.u32();  // the counts of the two sections that are not read
    if (!cursor.ok()) return malformed("it is shorter than its header");
    const bool is_answer = (flags & flag::answer) != 0;
    const bool is_plain_query = (flags & flag::opcode) == 0;
    if (!is_answer || !is_plain_query || questions != 1) return malformed("it is not an answer to one question");
    out.is_cut = (flags & flag::truncated) != 0;
    out.code = static_cast<std::uint8_t>(flags & flag::code);
    if (answers > limits::dns_records)
        return fail(Errc::limit, fmt::format("DNS answer: {} records, more than {}", answers, limits::dns_records));
    auto question = reader.name();
    if (!question) return malformed("its question is broken");
    out.question = std::move(*question);
    out.question_type = cursor.u16();
    cursor.u16();
    if (!cursor.ok()) return malformed("its question is cut off");
    for (unsigned i = 0; i < answers; ++i)
        if (auto read = read_record(reader, out); !read) return std::unexpected(read.error());
    return out;
}

}  // namespace assent::wire::dns

#include "wire/dns/answer.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "base/cursor.h"
#include "base/limits.h"

namespace assent::wire::dns {
namespace {

constexpr std::size_t name_size = 255;  // of the wire form
constexpr std::uint16_t class_internet = 1;
constexpr std::uint16_t type_a = 1;
constexpr std::uint16_t type_cname = 5;
constexpr std::uint16_t type_aaaa = 28;
constexpr std::uint8_t pointer_bits = 0xc0;

std::unexpected<Error> malformed(std::string_view what) {
    return fail(Errc::malformed, fmt::format("DNS answer: {}", what));
}

bool is_plain(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

void append_label(std::string& out, std::string_view label) {
    if (!out.empty()) out.push_back('.');
    for (const char raw : label) {
        const char c = to_lower(raw);
        if (is_plain(static_cast<unsigned char>(c)))
            out.push_back(c);
        else
            fmt::format_to(std::back_inserter(out), "\\{:03}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
}

// Reads a whole message by place, since names point back into it.
class Reader {
public:
    explicit Reader(Bytes message) : message_(message), cursor_(message) {}

    [[nodiscard]] Cursor& cursor() { return cursor_; }
    [[nodiscard]] std::size_t place() const { return message_.size() - cursor_.remaining(); }
    [[nodiscard]] bool ok() const { return cursor_.ok(); }

    // A name at the cursor, which ends up after it.
    [[nodiscard]] std::optional<std::string> name() {
        const std::size_t begin = place();
        return name_from(cursor_, begin);
    }

private:
    [[nodiscard]] std::optional<std::string> name_from(Cursor& first, std::size_t begin) const {
        std::string out;
        std::size_t size = 1;
        std::size_t pointers = 0;
        Cursor elsewhere{Bytes{}};
        Cursor* at = &first;
        while (true) {
            const std::uint8_t length = at->u8();
            if (!at->ok()) return std::nullopt;
            if (length == 0) return out;
            if ((length & pointer_bits) == pointer_bits) {
                const std::size_t target = (static_cast<std::size_t>(length & ~pointer_bits & 0xff) << 8U) | at->u8();
                // Strictly backwards from where this piece began, so it ends; the count bounds the work.
                if (!at->ok() || target >= begin || ++pointers > limits::dns_pointers) return std::nullopt;
                begin = target;
                elsewhere = Cursor(message_.subspan(target));
                at = &elsewhere;
                continue;
            }
            if ((length & pointer_bits) != 0) return std::nullopt;
            const auto label = at->bytes(length);
            size += length + 1U;
            if (!at->ok() || size > name_size) return std::nullopt;
            append_label(out, as_text(label));
        }
    }

    Bytes message_;
    Cursor cursor_;
};

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
    if (record_class == class_internet && type == type_cname) {
        const auto end = reader.place() + size;
        auto leads_to = reader.name();
        if (!leads_to || reader.place() != end) return malformed("an alias is broken");
        out.aliases.push_back({std::move(*name), std::move(*leads_to), ttl});
        return {};
    }
    const auto data = cursor.bytes(size);
    const bool is_address = record_class == class_internet && (type == type_a || type == type_aaaa);
    if (!is_address) return {};
    if (size != (type == type_a ? 4 : 16)) return malformed("an address of the wrong size");
    out.addresses.push_back({std::move(*name), to_address(data, type == type_aaaa), ttl});
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
    const bool is_answer = (flags & 0x8000U) != 0;
    const bool is_plain_query = (flags & 0x7800U) == 0;
    if (!is_answer || !is_plain_query || questions != 1) return malformed("it is not an answer to one question");
    out.is_cut = (flags & 0x0200U) != 0;
    out.code = static_cast<std::uint8_t>(flags & 0x000fU);
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

#include "wire/dns/ech.h"

#include <string>
#include <vector>

#include "base/cursor.h"
#include "base/limits.h"
#include "model/dns_type.h"
#include "wire/dns/reader.h"

namespace assent::wire::dns {
namespace {

using namespace model::dns_type;

constexpr std::uint16_t key_mandatory = 0;
constexpr std::uint16_t key_ech = 5;

struct Record {
    std::string owner;  // wire form, uncompressed
    std::uint16_t type = 0;
    std::uint16_t record_class = 0;
    std::uint32_t ttl = 0;
    std::string data;
};

void put16(std::string& out, std::size_t value) {
    out.push_back(static_cast<char>(value >> 8U & 0xffU));
    out.push_back(static_cast<char>(value & 0xffU));
}

std::optional<Record> read_record(Reader& reader) {
    auto owner = reader.wire_name();
    if (!owner) return std::nullopt;
    auto& cursor = reader.cursor();
    Record out;
    out.owner = std::move(*owner);
    out.type = cursor.u16();
    out.record_class = cursor.u16();
    out.ttl = cursor.u32();
    const auto size = cursor.u16();
    if (!cursor.ok() || size > cursor.remaining()) return std::nullopt;
    if (out.type == cname) {
        const auto end = reader.place() + size;
        auto leads_to = reader.wire_name();
        if (!leads_to || reader.place() != end) return std::nullopt;
        out.data = std::move(*leads_to);
        return out;
    }
    out.data = as_text(cursor.bytes(size));
    return out;
}

bool is_service(const Record& record) { return record.type == https || record.type == svcb; }

// The record's data without the key; nothing when it cannot be read, or is of no use without it. `has_changed` is set when
// the key was there.
std::optional<std::string> data_without_ech(const std::string& data, bool& has_changed) {
    Cursor cursor(as_bytes(data));
    std::string out;
    put16(out, cursor.u16());
    // The target's name is never compressed.
    for (std::uint8_t length = cursor.u8(); cursor.ok(); length = cursor.u8()) {
        if ((length & pointer_bits) != 0) return std::nullopt;
        out.append(1, static_cast<char>(length)).append(as_text(cursor.bytes(length)));
        if (length == 0) break;
    }
    bool is_mandatory = false;
    bool is_there = false;
    while (cursor.ok() && !cursor.at_end()) {
        const auto key = cursor.u16();
        const auto value = cursor.bytes(cursor.u16());
        if (key == key_ech) is_there = true;
        Cursor keys(value);
        while (key == key_mandatory && !keys.at_end()) is_mandatory |= keys.u16() == key_ech;
        if (key == key_ech) continue;
        put16(out, key);
        put16(out, value.size());
        out += as_text(value);
    }
    has_changed |= is_there;
    if (!cursor.ok() || (is_there && is_mandatory)) return std::nullopt;
    return out;
}

bool covers_service(const Record& record) {
    if (record.type != rrsig) return false;
    const auto covered = Cursor(as_bytes(record.data)).u16();
    return covered == https || covered == svcb;
}

void append_record(std::string& out, const Record& record) {
    out += record.owner;
    put16(out, record.type);
    put16(out, record.record_class);
    put16(out, record.ttl >> 16U);
    put16(out, record.ttl & 0xffffU);
    put16(out, record.data.size());
    out += record.data;
}

struct Content {
    std::string head;  // id and flags
    std::string question;
    std::vector<Record> answers;
    std::optional<Record> edns;
};

std::optional<Content> read_content(Bytes message) {
    Reader reader(message);
    auto& cursor = reader.cursor();
    Content out;
    out.head = as_text(cursor.bytes(4));
    const auto questions = cursor.u16();
    const auto answers = cursor.u16();
    const auto others = static_cast<std::size_t>(cursor.u16()) + cursor.u16();
    if (!cursor.ok() || questions != 1 || answers + others > limits::dns_records) return std::nullopt;
    auto question = reader.wire_name();
    if (!question) return std::nullopt;
    out.question = std::move(*question);
    out.question += as_text(cursor.bytes(4));
    for (std::size_t i = 0; i < answers + others; ++i) {
        auto record = read_record(reader);
        if (!record) return std::nullopt;
        if (i < answers) out.answers.push_back(std::move(*record));
        if (i >= answers && record->type == opt) out.edns = std::move(*record);
    }
    return out;
}

}  // namespace

Result<std::optional<ByteVector>> without_ech(Bytes answer) {
    const auto content = read_content(answer);
    if (!content) return fail(Errc::malformed, "the answer cannot be read, or has too many records");
    bool has_changed = false;
    std::string records;
    std::size_t count = 0;
    for (Record record : content->answers) {
        if (is_service(record)) {
            auto data = data_without_ech(record.data, has_changed);
            if (!data) continue;
            record.data = std::move(*data);
        }
        // Of other types only those whose data holds no name that could be compressed.
        const bool is_kept = is_service(record) || record.type == cname || record.type == a || record.type == aaaa ||
                             (record.type == rrsig && !covers_service(record));
        if (!is_kept) continue;
        append_record(records, record);
        ++count;
    }
    if (!has_changed) return std::optional<ByteVector>();
    std::string out = content->head;
    put16(out, 1);
    put16(out, count);
    put16(out, 0);
    put16(out, content->edns ? 1U : 0U);
    out += content->question;
    out += records;
    if (content->edns) append_record(out, *content->edns);
    const auto bytes = as_bytes(out);
    return std::optional(ByteVector(bytes.begin(), bytes.end()));
}

}  // namespace assent::wire::dns

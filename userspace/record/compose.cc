#include "record/compose.h"

#include <cstring>
#include <iterator>

#include <fmt/format.h>

#include "base/cursor.h"
#include "base/shown_text.h"
#include "base/time.h"
#include "record/frame.h"
#include "record/lane.h"
#include "record/tree.h"

namespace assent::record {
namespace {

template <typename Head>
Head take_head(Cursor& cursor) {
    Head head;
    const Bytes bytes = cursor.bytes(sizeof head);
    if (!bytes.empty()) std::memcpy(&head, bytes.data(), sizeof head);
    return head;
}

void append_hex(std::string& out, const Digest& digest) {
    static constexpr char digits[] = "0123456789abcdef";
    for (const std::byte b : digest) {
        out.push_back(digits[std::to_integer<unsigned>(b) >> 4U]);
        out.push_back(digits[std::to_integer<unsigned>(b) & 15U]);
    }
}

void append_number(std::string& out, std::uint64_t value) {
    const fmt::format_int text(value);
    out.append(text.data(), text.size());
}

// Writes the frame of a body, and its entry in the leaf.
void append_body(std::string& out, std::string& entries, Cursor& cursor) {
    const auto head = take_head<BodyHead>(cursor);
    const auto name = as_text(cursor.bytes(head.name));
    const Bytes bytes = cursor.bytes(head.stored_size);
    append_frame(out, FrameKind::body, as_text(bytes));
    if (!entries.empty()) entries.push_back(',');
    append_json_string(entries, name);
    entries += R"(:{"sha256":")";
    append_hex(entries, body_hash(bytes));
    entries += R"(","size":)";
    append_number(entries, head.full_size);
    if (head.stored_size != head.full_size) {
        entries += R"(,"truncated":true,"stored":)";
        append_number(entries, head.stored_size);
    }
    entries.push_back('}');
}

}  // namespace

void Composer::append_time(std::string& out, std::int64_t time_us) {
    constexpr std::int64_t micros_per_second = 1'000'000;
    const std::int64_t second = time_us / micros_per_second;
    if (second != second_) {
        const auto text = to_rfc3339(WallTime(std::chrono::seconds(second)));
        second_text_ = text.substr(0, text.find('.') + 1);
        second_ = second;
    }
    out += second_text_;
    char digits[6];
    std::int64_t rest = time_us % micros_per_second;
    for (int i = 5; i >= 0; --i, rest /= 10) digits[i] = static_cast<char>('0' + rest % 10);
    out.append(digits, sizeof digits);
    out.push_back('Z');
}

Digest Composer::append_record(std::string& out, Bytes packed, std::uint64_t seq) {
    Cursor cursor(packed);
    const auto head = take_head<DraftHead>(cursor);
    const auto type = as_text(cursor.bytes(head.type));
    const auto session = as_text(cursor.bytes(head.session));
    const auto members = as_text(cursor.bytes(head.members));
    bodies_.clear();
    for (unsigned i = 0; i < head.bodies; ++i) append_body(out, bodies_, cursor);
    const std::size_t begin = begin_frame(out, FrameKind::leaf);
    const std::size_t leaf_begin = out.size();
    out += R"({"seq":)";
    append_number(out, seq);
    out += R"(,"time":")";
    append_time(out, head.time_us);
    out += R"(","type":")";
    out += type;
    out.push_back('"');
    if (!session.empty()) {
        out += R"(,"session":")";
        out += session;
        out.push_back('"');
    }
    if (!members.empty()) {
        out.push_back(',');
        out += members;
    }
    if (!bodies_.empty()) {
        out += R"(,"bodies":{)";
        out += bodies_;
        out.push_back('}');
    }
    out.push_back('}');
    const Digest hash = leaf_hash(as_bytes(std::string_view(out).substr(leaf_begin)));
    end_frame(out, begin);
    return hash;
}

}  // namespace assent::record

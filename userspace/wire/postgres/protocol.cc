#include "wire/postgres/protocol.h"

#include "base/cursor.h"

namespace assent::wire::postgres {

void MessageWriter::end() {
    const auto size = static_cast<std::uint32_t>(out_.size() - start_);
    for (unsigned i = 0; i < 4; ++i) out_[start_ + i] = static_cast<std::byte>(size >> ((3 - i) * 8U));
}

ErrorFields read_error(Bytes message) {
    ErrorFields fields;
    Cursor cursor(message);
    cursor.bytes(header_size);
    while (cursor.ok()) {
        const auto field = static_cast<char>(cursor.u8());
        if (field == 0) break;
        const std::string_view value = cursor.c_string();
        switch (field) {
            case 'S':
                fields.shown_severity = value;
                break;
            case 'V':
                fields.severity = value;
                break;
            case 'C':
                fields.code = value;
                break;
            case 'M':
                fields.message = value;
                break;
            default:
                break;
        }
    }
    if (fields.severity.empty()) fields.severity = fields.shown_severity;
    fields.is_valid = cursor.finished() && !fields.severity.empty() && fields.code.size() == 5;
    return fields;
}

void write_error(ByteVector& out, char type, std::string_view severity, const Refusal& refusal) {
    MessageWriter writer(out);
    writer.begin(type);
    writer.u8('S').text(severity).u8('V').text(severity);
    writer.u8('C').text(refusal.code).u8('M').text(refusal.message);
    if (!refusal.detail.empty()) writer.u8('D').text(refusal.detail);
    if (!refusal.hint.empty()) writer.u8('H').text(refusal.hint);
    writer.u8(0).end();
}

std::string_view stripped_message() noexcept {
    return "the server's words are removed by assent: the statement touches masked data";
}

void write_stripped_error(ByteVector& out, char type, const ErrorFields& fields) {
    MessageWriter writer(out);
    writer.begin(type);
    writer.u8('S').text(fields.shown_severity).u8('V').text(fields.severity);
    writer.u8('C').text(fields.code).u8('M').text(stripped_message());
    writer.u8(0).end();
}

}  // namespace assent::wire::postgres

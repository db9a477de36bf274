// The shapes of protocol 3: message types, the requests that come before any type, writing of messages, and the fields of
// errors and notices (https://www.postgresql.org/docs/current/protocol-message-formats.html).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wire/adapter.h"

namespace assent::wire::postgres {

inline constexpr std::size_t header_size = 5;              // type and length
inline constexpr std::size_t small_message_size = 10'000;  // of messages that carry a name or nothing
inline constexpr std::size_t password_message_size = 65'535;
inline constexpr std::size_t streamed_message_size = 0x3fff'fffe;  // what a server itself would ever make
inline constexpr std::size_t protocol_names = 128;                 // `_pq_.` options of a start-up

// The codes in place of a protocol version.
inline constexpr std::uint32_t cancel_request_code = 80'877'102;
inline constexpr std::uint32_t ssl_request_code = 80'877'103;
inline constexpr std::uint32_t gss_request_code = 80'877'104;
inline constexpr std::uint32_t protocol_3_0 = 3U << 16U;

namespace authentication {
inline constexpr std::uint32_t ok = 0;
inline constexpr std::uint32_t clear_password = 3;
inline constexpr std::uint32_t md5_password = 5;
inline constexpr std::uint32_t gss = 7;
inline constexpr std::uint32_t gss_continue = 8;
inline constexpr std::uint32_t sspi = 9;
inline constexpr std::uint32_t sasl = 10;
inline constexpr std::uint32_t sasl_continue = 11;
inline constexpr std::uint32_t sasl_final = 12;
}  // namespace authentication

// Appends messages to a vector that the caller reuses.
class MessageWriter {
public:
    explicit MessageWriter(ByteVector& out) : out_(out) {}

    MessageWriter& begin(char type) {
        out_.push_back(static_cast<std::byte>(type));
        return begin_untyped();
    }
    MessageWriter& begin_untyped() {
        start_ = out_.size();
        return u32(0);
    }
    MessageWriter& u8(std::uint8_t value) {
        out_.push_back(static_cast<std::byte>(value));
        return *this;
    }
    MessageWriter& u16(std::uint16_t value) { return number(value, 2); }
    MessageWriter& u32(std::uint32_t value) { return number(value, 4); }
    MessageWriter& bytes(Bytes value) {
        append(out_, value);
        return *this;
    }
    // With its zero.
    MessageWriter& text(std::string_view value) { return bytes(as_bytes(value)).u8(0); }
    // Writes the length of what begin() began.
    void end();

private:
    MessageWriter& number(std::uint64_t value, unsigned size) {
        for (unsigned i = size; i > 0; --i) u8(static_cast<std::uint8_t>(value >> ((i - 1) * 8U)));
        return *this;
    }

    ByteVector& out_;
    std::size_t start_ = 0;
};

// An ErrorResponse or NoticeResponse; views into the message.
struct ErrorFields {
    std::string_view severity;  // never translated (V), or S of servers older than 9.6
    std::string_view shown_severity;
    std::string_view code;
    std::string_view message;
    bool is_valid = false;

    [[nodiscard]] bool ends_session() const { return severity == "FATAL" || severity == "PANIC"; }
};

// Takes a whole message with its header.
[[nodiscard]] ErrorFields read_error(Bytes message);

// `type` is 'E' or 'N'.
void write_error(ByteVector& out, char type, std::string_view severity, const Refusal& refusal);

// What remains of the server's error or notice where its words could quote a masked value: severity and SQLSTATE.
void write_stripped_error(ByteVector& out, char type, const ErrorFields& fields);
[[nodiscard]] std::string_view stripped_message() noexcept;

}  // namespace assent::wire::postgres

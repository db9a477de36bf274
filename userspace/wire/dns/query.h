// A DNS query as an agent sends it, as it is passed on, and answers of our own (RFC 1035, 6891, 8914). What is passed on is
// made anew from what was understood: a name, a type, a few flags. EDNS options, the letter case of the name and whatever
// else could carry something out stay behind.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace assent::wire::dns {

inline constexpr std::uint16_t class_internet = 1;

enum class Code : std::uint16_t {
    no_error = 0,
    format_error = 1,
    server_failure = 2,
    no_such_name = 3,
    not_implemented = 4,
    refused = 5,
    bad_version = 16,  // of EDNS; its upper bits are in the OPT record
};
// "NXDOMAIN", "RCODE9".
[[nodiscard]] std::string to_text(Code code);

// Why an answer is what it is (RFC 8914).
struct ExtendedError {
    std::uint16_t info_code = 0;
    std::string text;
};
namespace info_code {
inline constexpr std::uint16_t blocked = 15;
inline constexpr std::uint16_t prohibited = 18;
inline constexpr std::uint16_t no_reachable_authority = 22;
}  // namespace info_code

struct Query {
    std::uint16_t id = 0;
    bool is_recursion_desired = false;
    bool is_authentic_wanted = false;   // AD
    bool is_checking_disabled = false;  // CD
    std::string name;                 // in lower case, other bytes than letters, digits, '-' and '_' as \DDD; "" is the root
    std::vector<std::string> labels;  // the same, one by one, in lower case and otherwise as they are
    std::uint16_t type = 0;
    std::uint16_t record_class = 0;
    ByteVector question;  // name, type and class in their wire form, as the agent wrote them
    struct Edns {
        bool is_present = false;
        std::uint8_t version = 0;
        std::uint16_t datagram = 512;  // bytes that the agent takes
        bool wants_dnssec = false;
    } edns;
};

// Errc::malformed, Errc::unsupported for other operations than a plain query; see answer_unread().
[[nodiscard]] Result<Query> parse_query(Bytes message);
// The answer to what parse_query() did not take; empty: it deserves none, since it is no query.
[[nodiscard]] ByteVector answer_unread(Bytes message, Errc why);

// What is sent to a resolver: with this id, and EDNS where the agent's query has it.
[[nodiscard]] ByteVector to_resolver(const Query& query, std::uint16_t id);
// A resolver's message answers what to_resolver() made: the id and the question are the same, or it complains without
// repeating the question.
[[nodiscard]] bool is_answer_to(const Query& query, std::uint16_t id, Bytes message);
// That answer for the agent: unchanged but for the id and the letter case of the question. `most` is what fits a datagram;
// what is longer is cut to nothing, and says so (TC), so that the agent asks again over TCP.
[[nodiscard]] ByteVector to_agent(const Query& query, Bytes answer, std::size_t most);
// The code of an answer, without what its OPT record adds.
[[nodiscard]] Code code_of(Bytes answer);
// How large a datagram the agent takes.
[[nodiscard]] std::size_t datagram_of(const Query& query);

// An answer of our own. The error is told where the query has EDNS.
[[nodiscard]] ByteVector make_answer(const Query& query, Code code, const ExtendedError& error = {},
                                     bool is_truncated = false);

}  // namespace assent::wire::dns

// What a DNS answer says (RFC 1035, 3596): the question, and the addresses that it leads to. Bounds-checked; never follows a
// compression pointer forwards or for ever.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/address.h"

namespace assent::wire::dns {

// Names are in lower case, without a trailing dot; bytes other than letters, digits, '-' and '_' are written \DDD.
struct AddressRecord {
    std::string name;
    model::IpAddress address;
    std::uint32_t ttl_seconds = 0;
};

struct Alias {
    std::string name;
    std::string leads_to;
    std::uint32_t ttl_seconds = 0;
};

struct Answer {
    std::uint16_t id = 0;
    std::uint16_t question_type = 0;
    std::uint8_t code = 0;  // 0 no error, 3 no such name
    bool is_cut = false;    // TC: the whole answer did not fit
    std::string question;
    std::vector<AddressRecord> addresses;  // all of the answer section, whatever their names
    std::vector<Alias> aliases;

    // The addresses that the question's own name leads to, through aliases, each with the least TTL on its way. A server may
    // add records of any other name; nothing is learned of those, since whoever answers for one name must not answer for
    // another.
    [[nodiscard]] std::vector<AddressRecord> of_question() const;
};

// Of one UDP datagram. Errc::malformed, or Errc::limit for more than limits::dns_records records.
[[nodiscard]] Result<Answer> parse_answer(Bytes message);

}  // namespace assent::wire::dns

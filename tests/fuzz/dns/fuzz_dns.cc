// Any bytes as a DNS answer: read within their bounds, and what is read keeps its promises.
#include <cstdint>
#include <cstdlib>

#include "base/limits.h"
#include "wire/dns/answer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto answer = assent::wire::dns::parse_answer(std::as_bytes(std::span(data, size)));
    if (!answer) return 0;
    if (answer->addresses.size() + answer->aliases.size() > assent::limits::dns_records) std::abort();
    for (const auto& record : answer->of_question())
        if (record.name != answer->question) std::abort();
    return 0;
}

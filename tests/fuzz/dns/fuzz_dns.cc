// Any bytes as a DNS answer and as a query: read within their bounds, and what is read, or made of it, keeps its promises.
#include <cstdint>
#include <cstdlib>

#include "base/cursor.h"
#include "base/limits.h"
#include "wire/dns/answer.h"
#include "wire/dns/ech.h"
#include "wire/dns/query.h"

namespace {

using namespace assent;
using namespace assent::wire::dns;

void require(bool is_true) {
    if (!is_true) std::abort();
}

void read_answer(Bytes message) {
    const auto answer = parse_answer(message);
    if (!answer) return;
    require(answer->addresses.size() + answer->aliases.size() <= limits::dns_records);
    for (const auto& record : answer->of_question()) require(record.name == answer->question);
}

// What goes on to a resolver is a query for the same, and holds nothing else.
void read_query(Bytes message) {
    const auto query = parse_query(message);
    if (!query) {
        require(answer_unread(message, query.error().code).size() <= 12);
        return;
    }
    const auto forwarded = to_resolver(*query, 7);
    require(forwarded.size() <= 12 + query->question.size() + 11);
    const auto again = parse_query(forwarded);
    require(again && again->name == query->name && again->labels == query->labels && again->type == query->type);
    require(to_resolver(*again, 7) == forwarded);
    const auto refusal = make_answer(*query, Code::refused, {info_code::blocked, "assent: no"});
    require(is_answer_to(*query, query->id, refusal));
}

// The message as what a resolver says to a query that it fits, if it fits one.
void relay(Bytes message) {
    Cursor cursor(message);
    const auto id = cursor.u16();
    Query query;
    query.id = 1;
    const auto question = message.size() > 12 ? message.subspan(12) : Bytes();
    std::size_t end = 0;
    while (end < question.size() && std::to_integer<unsigned>(question[end]) != 0)
        end += std::to_integer<std::size_t>(question[end]) + 1;
    if (end + 5 > question.size()) return;
    query.question.assign(question.begin(), question.begin() + static_cast<std::ptrdiff_t>(end + 5));
    if (!is_answer_to(query, id, message)) return;
    const auto relayed = to_agent(query, message, 512);
    require(relayed.size() <= 512 || message.size() <= 512 || query.question.size() > 255);
    require(code_of(relayed) == code_of(message));
}

void strip(Bytes message) {
    const auto stripped = without_ech(message);
    if (stripped && *stripped) {
        const auto again = without_ech(**stripped);
        require(again && !*again);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto message = std::as_bytes(std::span(data, size));
    read_answer(message);
    read_query(message);
    relay(message);
    strip(message);
    return 0;
}

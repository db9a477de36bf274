// What goes to the server in place of a refused message: something of the same kind that it must reject, so that the
// transaction, the batch and the order of replies are as after any other error. Each is rejected twice over, because an
// agent could have made a statement or portal of the name: by what it names, and by a flaw of form that the server answers
// with an ordinary ERROR before it looks at anything else.
#include "wire/postgres/conversation.h"

namespace assent::wire::postgres {
namespace {

constexpr std::string_view refused_text = "assent refused this command";  // in the server's log, too

}  // namespace

void Conversation::send_refused_query() {
    ByteVector& out = scratch();
    MessageWriter(out).begin('Q').text(refused_text).end();
    to_target_.send(out);
}

void Conversation::send_refused_parse(std::string_view name) {
    ByteVector& out = scratch();
    MessageWriter(out).begin('P').text(name).text(refused_text).u16(0).end();
    to_target_.send(out);
}

void Conversation::send_refused_bind() {
    ByteVector& out = scratch();
    // Two formats for no parameter.
    MessageWriter(out).begin('B').text("").text(refused_text).u16(2).u16(0).u16(0).u16(0).u16(0).end();
    to_target_.send(out);
}

void Conversation::send_refused_execute() {
    ByteVector& out = scratch();
    // A byte behind the end.
    MessageWriter(out).begin('E').text(refused_text).u32(0).u8(0).end();
    to_target_.send(out);
}

void Conversation::send_refused_function_call() {
    ByteVector& out = scratch();
    // Function 0, which cannot exist.
    MessageWriter(out).begin('F').u32(0).u16(0).u16(0).u16(0).end();
    to_target_.send(out);
}

}  // namespace assent::wire::postgres

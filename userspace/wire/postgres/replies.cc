// What the server answers: every reply belongs to the first request that has not been answered.
#include <array>

#include "base/cursor.h"
#include "wire/postgres/conversation.h"

namespace assent::wire::postgres {
namespace {

constexpr std::size_t ready_message_size = header_size + 1;

bool runs(RequestKind kind) { return kind == RequestKind::query || kind == RequestKind::execute; }

// Messages that may come at any time and answer nothing.
bool is_asynchronous(char type) { return type == 'N' || type == 'A' || type == 'S' || type == 'E'; }

}  // namespace

bool Conversation::target_may_speak() const {
    return phase_ == Phase::authenticating || phase_ == Phase::established || phase_ == Phase::leaving;
}

Treatment Conversation::target_begins(char type, std::size_t length) {
    if (phase_ == Phase::authenticating) return authentication_begins(type, length);
    static constexpr std::string_view known = "DdVTtCZ123nsIEANSGHWc";
    if (known.find(type) == std::string_view::npos || length < 4) {
        target_broke("sent a message of an unknown type or a wrong length");
        return Treatment::malformed;
    }
    skip_silent_requests(type);
    if (requests_.empty() && !is_asynchronous(type)) {
        target_broke("sent an answer that nobody asked for");
        return Treatment::malformed;
    }
    std::size_t most = limits::message_size;
    Treatment treatment = Treatment::whole;
    if (type == 'D' || type == 'd' || type == 'V') {
        const Request& front = requests_.front();
        const bool is_expected =
            !front.is_refused() && (type == 'V' ? front.kind == RequestKind::function_call : runs(front.kind));
        if (!is_expected || (front.is_own && type != 'D')) {
            target_broke("sent rows that nobody asked for");
            return Treatment::malformed;
        }
        const bool is_masked = type == 'D' ? front.is_own || masks_rows(*front.command) : type == 'd' && copy_masker_;
        if (!is_masked) {
            treatment = Treatment::stream;
            most = streamed_message_size;
            piece_type_ = type;
        }
    }
    if (length > most) {
        target_broke("sent a message that is larger than allowed");
        return Treatment::malformed;
    }
    return treatment;
}

void Conversation::target_piece(Bytes bytes, bool is_last) {
    if (is_over()) return;
    Command& command = *requests_.front().command;
    command.bytes += bytes.size();
    if (is_last && piece_type_ == 'D') ++command.statement_rows;
    if (command.plan.recorded_bytes > 0 && piece_type_ != 'V') show_result(command, bytes);
    to_agent_.pass(bytes);
    is_mid_message_ = !is_last;
    if (is_last && !notices_.empty()) flush_notices();
    if (is_last && ending_) {
        const Refusal refusal = std::move(*ending_);
        ending_.reset();
        terminate(refusal);
    }
}

void Conversation::target_says(char type, Bytes message) {
    if (is_over()) return;
    if (phase_ == Phase::authenticating) {
        authentication_reply(type, message);
    } else {
        switch (type) {
            case 'N':
                on_notice(message);
                break;
            case 'A':
                pass_to_agent(message);
                break;
            case 'S':
                on_setting(message);
                break;
            case 'E':
                on_error(message);
                break;
            default:
                on_reply(type, message);
                break;
        }
    }
    resume();
}

void Conversation::on_reply(char type, Bytes message) {
    Request& front = requests_.front();
    if (front.is_own) {
        on_own_reply(front, type, message);
        return;
    }
    if (front.is_refused() && !(type == 'Z' && had_error_)) {
        target_broke("accepted a command that had to fail");
        return;
    }
    bool is_expected = false;
    switch (front.kind) {
        case RequestKind::describe_statement:
            if (type == 't') {
                on_parameter_description(front, message);
                pass_to_agent(message);
                return;
            }
            [[fallthrough]];
        case RequestKind::describe_portal:
            is_expected = type == 'T' || type == 'n';
            break;
        case RequestKind::query:
        case RequestKind::execute:
            on_run_reply(front, type, message);
            return;
        default:
            is_expected = type == reply_to(front.kind);
            break;
    }
    if (!is_expected) {
        target_broke("sent an answer to something else than was asked");
        return;
    }
    switch (type) {
        case '1':
            on_parsed(front);
            break;
        case '2':
            on_bound(front);
            break;
        case '3':
            on_closed(front);
            break;
        case 'Z':
            on_ready(message);
            return;
        default:
            break;
    }
    pass_to_agent(message);
    pop();
}

void Conversation::on_parsed(Request& front) {
    const Ref<Statement> before = statements_.confirm(front.statement->name, front.statement);
    if (before) statement_bytes_ -= before->size();
    finish(*front.command);
}

// Only for what people are shown: what is malformed is not known, and the agent's to judge.
void Conversation::on_parameter_description(Request& front, Bytes message) {
    if (!front.statement) return;
    Cursor cursor(message);
    cursor.bytes(header_size);
    const std::size_t count = cursor.u16();
    std::vector<std::uint32_t> types;
    for (std::size_t i = 0; i < count && cursor.ok(); ++i) types.push_back(cursor.u32());
    if (cursor.finished()) front.statement->described_types = std::move(types);
}

void Conversation::on_bound(Request& front) {
    const Ref<Command> before = portals_.confirm(front.command->name, front.command);
    if (before) finish(*before);
}

void Conversation::on_closed(Request& front) {
    if (front.statement) {
        const Ref<Statement> before = statements_.confirm(front.statement->name, {});
        if (before) statement_bytes_ -= before->size();
        host_.statement_closed(front.statement->name);
    }
    if (front.command) {
        const Ref<Command> before = portals_.confirm(front.command->name, {});
        if (before) finish(*before);
        host_.portal_closed(front.command->name);
    }
}

void Conversation::on_run_reply(Request& front, char type, Bytes message) {
    const bool is_query = front.kind == RequestKind::query;
    Command& command = *front.command;
    switch (type) {
        case 'D':
            on_masked_row(command, message);
            return;
        case 'd':
            on_masked_copy_data(command, message);
            return;
        case 'C':
        case 'I':
            on_complete(front, type, message);
            return;
        case 'G':
        case 'H':
        case 'W':
            on_copy_begins(front, type, message);
            return;
        case 'c':
            pass_to_agent(message);
            return;
        case 'T':
            if (!is_query) break;
            on_row_description(front, message);
            return;
        case 's':
            if (is_query) break;
            on_suspended(command, message);
            return;
        case 'Z':
            if (!is_query) break;
            on_ready(message);
            return;
        default:
            break;
    }
    target_broke("sent an answer to something else than was asked");
}

void Conversation::on_ready(Bytes message) {
    const char status = message.size() == ready_message_size ? static_cast<char>(message.back()) : '\0';
    if (status != 'I' && status != 'T' && status != 'E') {
        target_broke("is ready with an unknown transaction status");
        return;
    }
    transaction_status_ = status;
    if (!requests_.empty()) {
        Request& front = requests_.front();
        if (front.is_uncertain) {
            is_skipping_ = false;
            if (requests_.size() > 1 && requests_[1].kind == RequestKind::sync) requests_[1].is_uncertain = true;
        }
        if (front.command) finish(*front.command);
        is_copying_in_ = false;
        copy_masker_.reset();
        pop();
    }
    if (status == 'I') finish_portals();
    host_.transaction_status(status);
    pass_to_agent(message);
    if (scratch_.capacity() > kept_text) scratch_ = ByteVector();
    if (phase_ == Phase::leaving && is_drained()) over("the agent ended the session", false);
}

void Conversation::on_setting(Bytes message) {
    Cursor cursor(message);
    cursor.bytes(header_size);
    const std::string_view name = cursor.c_string();
    const std::string_view value = cursor.c_string();
    if (!cursor.finished()) {
        target_broke("sent a malformed setting");
        return;
    }
    if (name == "standard_conforming_strings") has_conforming_strings_ = value == "on";
    host_.setting_changed(name, value);
    pass_to_agent(message);
}

void Conversation::pass_to_agent(Bytes message) {
    to_agent_.pass(message);
    if (!notices_.empty()) flush_notices();
}

void Conversation::flush_notices() {
    if (!is_authenticated_ || is_mid_message_) return;
    to_agent_.send(notices_);
    notices_ = ByteVector();
}

void Conversation::pop() {
    had_error_ = false;
    requests_.pop();
}

// Drops what the server gives no answer to from the front.
void Conversation::skip_silent_requests(char type) {
    while (!requests_.empty()) {
        const Request& front = requests_.front();
        const bool was_ignored = front.is_uncertain && type != 'Z' && !is_asynchronous(type);
        if (front.kind != RequestKind::copy_end && !was_ignored) return;
        pop();
    }
}

// Goes on with the agent's held message where what it waited for has come.
void Conversation::resume() {
    if (is_over() || phase_ != Phase::established) return;
    if (waiting_ == Waiting::answers && is_drained()) {
        waiting_ = Waiting::nothing;
        if (question_) continue_question();
    }
    if (waiting_ != Waiting::nothing || !agent_inbox_.is_held()) return;
    FromAgent handler{*this};
    agent_inbox_.retry(handler);
    to_target_.flush();
}

}  // namespace assent::wire::postgres

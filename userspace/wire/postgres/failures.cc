// The server's errors and notices, and what they do to the requests behind them.
#include "wire/postgres/conversation.h"

namespace assent::wire::postgres {
namespace {

constexpr std::string_view skipped_message = "not run: an earlier command of the batch failed";

bool is_extended(RequestKind kind) {
    return kind != RequestKind::query && kind != RequestKind::function_call && kind != RequestKind::sync;
}

}  // namespace

bool Conversation::strips_words() const {
    if (strips_until_idle_) return true;
    if (requests_.empty()) return false;
    const auto& front = const_cast<RequestQueue&>(requests_).front();
    return front.command && front.command->plan.strips_error_detail();
}

void Conversation::on_notice(Bytes message) {
    const ErrorFields fields = read_error(message);
    if (!fields.is_valid) {
        target_broke("sent a malformed notice");
        return;
    }
    if (!strips_words()) {
        pass_to_agent(message);
        return;
    }
    ByteVector& out = scratch();
    write_stripped_error(out, 'N', fields);
    to_agent_.send(out);
}

void Conversation::pass_error(const ErrorFields& fields, Bytes message) {
    if (!strips_words()) {
        pass_to_agent(message);
        return;
    }
    ByteVector& out = scratch();
    write_stripped_error(out, 'E', fields);
    to_agent_.send(out);
    if (!notices_.empty()) flush_notices();
}

// The server rejected what was sent in place of a refused command: the agent gets the refusal.
void Conversation::refuse_front(const ErrorFields& fields) {
    Command& command = *requests_.front().command;
    const Refusal& refusal = *requests_.front().refusal;
    ByteVector& out = scratch();
    write_error(out, 'E', fields.severity, refusal);
    to_agent_.send(out);
    command.is_error = command.was_refused = true;
    command.code = refusal.code;
    command.message = refusal.message;
    if (!notices_.empty()) flush_notices();
}

void Conversation::on_error(Bytes message) {
    const ErrorFields fields = read_error(message);
    if (!fields.is_valid) {
        target_broke("sent a malformed error");
        return;
    }
    if (fields.ends_session()) {
        if (!requests_.empty() && requests_.front().command && !requests_.front().is_own) {
            Command& command = *requests_.front().command;
            command.is_error = true;
            command.code = fields.code;
            command.message = strips_words() ? stripped_message() : fields.message;
        }
        fatal_error_ = options_.target_name + " ended the session: " + std::string(fields.code);
        pass_error(fields, message);
        return;
    }
    if (requests_.empty()) {
        target_broke("sent an error that belongs to nothing");
        return;
    }
    Request& front = requests_.front();
    if (front.is_own) {
        on_own_error(message);
        return;
    }
    const bool is_first = !had_error_;
    had_error_ = true;
    is_copying_in_ = is_copying_in_ && front.kind == RequestKind::sync;
    copy_masker_.reset();
    if (front.is_refused() && is_first) {
        refuse_front(fields);
    } else {
        pass_error(fields, message);
    }
    fail_request(front, fields);
    if (!is_extended(front.kind)) return;
    pop();
    skip_to_sync();
}

void Conversation::fail_request(Request& request, const ErrorFields& fields) {
    if (request.command && request.kind != RequestKind::close_portal && !request.command->is_error) {
        Command& command = *request.command;
        command.is_error = true;
        command.code = fields.code;
        command.message = strips_words() ? stripped_message() : fields.message;
        if (command.plan.has_masks() && command.plan.strips_error_detail()) strips_until_idle_ = true;
    }
    switch (request.kind) {
        case RequestKind::parse: {
            // The unnamed statement is dropped before the new one is looked at.
            const bool is_unnamed = request.statement->name.empty();
            const Ref<Statement> before = statements_.undo(request.statement->name, is_unnamed);
            if (before) statement_bytes_ -= before->size();
            statement_bytes_ -= request.statement->size();
            finish(*request.command);
            break;
        }
        case RequestKind::bind:
            portals_.undo(request.command->name, false);
            finish(*request.command);
            break;
        case RequestKind::execute:
            finish(*request.command);
            break;
        case RequestKind::close_statement:
        case RequestKind::close_portal:
            skip_request(request);
            break;
        default:
            break;
    }
}

// The server will not look at it.
void Conversation::skip_request(Request& request) {
    if (request.is_own) {
        has_question_failed_ = has_question_failed_ || request.ends_question;
        return;
    }
    const auto not_run = [&](Command& command) {
        if (!command.is_error) command.message = skipped_message;
        command.is_error = true;
        finish(command);
    };
    switch (request.kind) {
        case RequestKind::parse:
            statements_.undo(request.statement->name, false);
            statement_bytes_ -= request.statement->size();
            not_run(*request.command);
            break;
        case RequestKind::bind:
            portals_.undo(request.command->name, false);
            not_run(*request.command);
            break;
        case RequestKind::query:
        case RequestKind::function_call:
            not_run(*request.command);
            break;
        case RequestKind::close_statement:
            if (request.statement) statements_.undo(request.statement->name, false);
            break;
        case RequestKind::close_portal:
            if (request.command) portals_.undo(request.command->name, false);
            break;
        default:
            break;
    }
}

// As the server does after an error in a batch.
void Conversation::skip_to_sync() {
    while (!requests_.empty() && requests_.front().kind != RequestKind::sync) {
        skip_request(requests_.front());
        pop();
    }
    if (!requests_.empty() && !requests_.front().is_uncertain) return;
    is_skipping_ = true;
    if (waiting_ != Waiting::nothing) drop_held(skipped_message);
}

void Conversation::drop_held(std::string_view why) {
    waiting_ = Waiting::nothing;
    question_.reset();
    answer_rows_ = {};
    agent_inbox_.drop_held();
    const CommandId id = std::exchange(held_id_, 0);
    can_ask_ = true;
    if (const Ref<Command> portal = std::exchange(held_portal_, {})) {
        if (!portal->is_error) portal->message = why;
        portal->is_error = true;
        finish(*portal);
        return;
    }
    if (id == 0) return;
    Outcome outcome;
    outcome.id = id;
    outcome.is_error = true;
    outcome.message = why;
    host_.finished(outcome);
}

}  // namespace assent::wire::postgres

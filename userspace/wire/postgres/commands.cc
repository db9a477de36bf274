// What the agent asks. Each message is either passed, replaced by one that fails, dropped because the server would ignore
// it, or held until it can be ruled on. A held message is handled again from its beginning, so nothing may change before
// the ruling is there.
#include <algorithm>

#include "base/cursor.h"
#include "wire/postgres/conversation.h"

namespace assent::wire::postgres {
namespace {

constexpr std::size_t request_slack = 8;  // what one message may add to the queue of requests
constexpr std::size_t kept_parameters = 64;
constexpr std::size_t prepared_statement_bytes = 2 * limits::message_size;  // texts of a session's

bool is_refused(const Ruling& ruling) { return ruling.action == Ruling::Action::refuse; }

template <typename T>
void release_large(std::vector<T>& values) {
    if (values.capacity() > kept_parameters) values = {};
}

// A count of formats is 0 (all text), 1 (for all) or one each.
bool read_formats(Cursor& cursor, std::vector<std::int16_t>& formats) {
    formats.clear();
    const std::size_t count = cursor.u16();
    if (count * 2 > cursor.remaining()) return false;
    for (std::size_t i = 0; i < count; ++i) {
        formats.push_back(cursor.i16());
        if (formats.back() != 0 && formats.back() != 1) return false;
    }
    return cursor.ok();
}

bool is_binary(const std::vector<std::int16_t>& formats, std::size_t index) {
    if (formats.empty()) return false;
    return formats[formats.size() == 1 ? 0 : index] == 1;
}

bool read_values(Cursor& cursor, const std::vector<std::int16_t>& formats, std::vector<Parameter>& parameters) {
    parameters.clear();
    const std::size_t count = cursor.u16();
    if (formats.size() > 1 && formats.size() != count) return false;
    if (count * 4 > cursor.remaining()) return false;
    for (std::size_t i = 0; i < count; ++i) {
        Parameter parameter;
        const std::int32_t size = cursor.i32();
        if (size < -1) return false;
        parameter.is_null = size < 0;
        parameter.is_binary = is_binary(formats, i);
        if (size > 0) parameter.value = cursor.bytes(static_cast<std::size_t>(size));
        parameters.push_back(parameter);
    }
    return cursor.ok();
}

}  // namespace

bool Conversation::agent_may_speak() const {
    if (phase_ == Phase::authenticating) return expects_password_;
    return phase_ == Phase::established && !is_ready_held_ && !ending_ &&
           requests_.size() + request_slack < limits::outstanding_requests;
}

Treatment Conversation::agent_begins(char type, std::size_t length) {
    std::size_t least = 4;
    std::size_t most = small_message_size;
    Treatment treatment = Treatment::whole;
    if (phase_ == Phase::authenticating) {
        if (type != 'p') {
            agent_broke("the agent sent something else than a password before it was let in");
            return Treatment::malformed;
        }
        most = password_message_size;
    } else {
        switch (type) {
            case 'Q':
            case 'P':
            case 'B':
            case 'F':
                most = limits::message_size;
                break;
            case 'E':
            case 'D':
            case 'C':
            case 'f':
                break;
            case 'H':
            case 'S':
            case 'X':
            case 'c':
                most = least;
                break;
            case 'd':
                most = streamed_message_size;
                treatment = Treatment::stream;
                drops_piece_ = is_skipping_ || (!is_copying_in_ && requests_.empty());
                break;
            default:
                agent_broke("the agent sent a message of an unknown type");
                return Treatment::malformed;
        }
    }
    if (length < least || length > most) {
        agent_broke("the agent sent a message of type " + std::string(1, type) + " with the length " +
                    std::to_string(length) + ", which is too " + (length < least ? "small" : "large"));
        return Treatment::malformed;
    }
    return treatment;
}

Step Conversation::agent_says(char type, Bytes message) {
    if (is_over()) return Step::taken;
    if (type == 'p') {
        on_password(message);
        return Step::taken;
    }
    if (is_copying_in_) return in_copy(type, message);
    if (is_skipping_ && type != 'S' && type != 'X') {
        if (type == 'H') to_target_.pass(message);
        return Step::taken;
    }
    switch (type) {
        case 'Q':
            return on_query(message);
        case 'P':
            return on_parse(message);
        case 'B':
            return on_bind(message);
        case 'E':
            return on_execute(message);
        case 'D':
            return on_describe(message);
        case 'C':
            return on_close(message);
        case 'F':
            return on_function_call(message);
        case 'S':
            on_sync(message);
            break;
        case 'H':
            to_target_.pass(message);
            break;
        case 'c':
        case 'f':
            on_copy_end(message);
            break;
        case 'X':
            on_goodbye(message);
            break;
        default:
            break;
    }
    return Step::taken;
}

Step Conversation::in_copy(char type, Bytes message) {
    switch (type) {
        case 'c':
        case 'f':
            is_copying_in_ = false;
            to_target_.pass(message);
            break;
        case 'S':
        case 'H':
            break;  // the server ignores them while it copies
        case 'X':
            on_goodbye(message);
            break;
        default:
            agent_broke("the agent sent a command while rows are copied to the server");
            break;
    }
    return Step::taken;
}

void Conversation::agent_piece(Bytes bytes, bool /*is_last*/) {
    if (is_over() || drops_piece_) return;
    if (is_copying_in_ && !requests_.empty() && requests_.front().command) requests_.front().command->bytes += bytes.size();
    to_target_.pass(bytes);
}

CommandSeen Conversation::command_of(CommandKind kind) const {
    CommandSeen seen;
    seen.kind = kind;
    seen.transaction_status = transaction_status_;
    seen.is_in_batch = is_in_batch_;
    seen.has_conforming_strings = has_conforming_strings_;
    seen.can_ask = can_ask_ && !is_replication_ && transaction_status_ != 'E' && phase_ == Phase::established;
    return seen;
}

std::optional<Ruling> Conversation::judge(CommandSeen& seen) {
    if (seen.id == 0) {
        if (held_id_ == 0) held_id_ = ++last_id_;
        seen.id = held_id_;
    }
    while (true) {
        is_ruling_ = true;
        must_rule_again_ = false;
        Ruling ruling = host_.rule(seen);
        is_ruling_ = false;
        if (is_over()) return std::nullopt;
        if (ruling.action == Ruling::Action::ask && (!seen.can_ask || !ruling.question)) {
            ruling = Ruling{};
            ruling.refusal.message = "assent: the command could not be judged";
        }
        switch (ruling.action) {
            case Ruling::Action::wait:
                if (must_rule_again_) continue;
                held_id_ = seen.id;
                waiting_ = Waiting::ruling;
                return std::nullopt;
            case Ruling::Action::ask:
                // An error would be one of the agent's own batch: as if it had failed. Others can still be asked.
                if (ruling.question->may_fail && batch_runs_) continue;
                held_id_ = seen.id;
                begin_question(std::move(*ruling.question));
                return std::nullopt;
            case Ruling::Action::forward:
            case Ruling::Action::refuse:
                break;
        }
        held_id_ = 0;
        can_ask_ = true;
        return ruling;
    }
}

// Until the server has answered all that went before; a batch that is open is flushed, or the answers would not come.
Step Conversation::hold_for_answers() {
    waiting_ = Waiting::answers;
    if (is_in_batch_) {
        ByteVector& out = scratch();
        MessageWriter(out).begin('H').end();
        to_target_.send(out);
    }
    return Step::held;
}

Ref<Command> Conversation::make_command(const CommandSeen& seen, Ruling& ruling) {
    Ref<Command> command = command_pool_.make();
    command->id = seen.id;
    command->kind = seen.kind;
    command->plan.masks = std::move(ruling.masks);
    command->plan.copies = std::move(ruling.copies);
    command->plan.recorded_bytes = ruling.recorded_result_bytes;
    if (ruling.forgets_names) {
        statements_.distrust_all();
        portals_.distrust_all();
    }
    return command;
}

void Conversation::in_batch(bool runs) {
    is_in_batch_ = true;
    batch_runs_ = batch_runs_ || runs;
}

void Conversation::end_batch() {
    is_in_batch_ = batch_runs_ = false;
    ++batch_;
}

Step Conversation::on_query(Bytes message) {
    Cursor cursor(message);
    cursor.bytes(header_size);
    CommandSeen seen = command_of(CommandKind::query);
    seen.text = cursor.c_string();
    if (!cursor.finished()) {
        agent_broke("the agent sent a malformed Query");
        return Step::taken;
    }
    auto ruling = judge(seen);
    if (!ruling) return Step::held;
    const Ref<Command> command = make_command(seen, *ruling);
    if (is_refused(*ruling)) {
        send_refused_query();
    } else {
        to_target_.pass(message);
    }
    push_command(RequestKind::query, command, *ruling);
    end_batch();
    return Step::taken;
}

Step Conversation::on_parse(Bytes message) {
    Cursor cursor(message);
    cursor.bytes(header_size);
    CommandSeen seen = command_of(CommandKind::parse);
    seen.statement_name = cursor.c_string();
    seen.text = cursor.c_string();
    const std::size_t count = cursor.u16();
    types_.clear();
    for (std::size_t i = 0; i < count && cursor.ok(); ++i) types_.push_back(cursor.u32());
    if (!cursor.finished()) {
        agent_broke("the agent sent a malformed Parse");
        return Step::taken;
    }
    seen.parameter_types = types_;
    auto ruling = judge(seen);
    if (!ruling) return Step::held;
    Ref<Statement> statement = statement_pool_.make();
    statement->name = seen.statement_name;
    statement->text = seen.text;
    statement->types = types_;
    statement->last_batch = batch_;
    release_large(types_);
    limit_statements(*statement, *ruling);
    const Ref<Command> command = make_command(seen, *ruling);
    if (!is_refused(*ruling)) {
        to_target_.pass(message);
    } else {
        send_refused_parse(statement->name);
        is_skipping_ = true;  // as the server will
    }
    statement_bytes_ += statement->size();
    statements_.make(statement, batch_);
    push_command(RequestKind::parse, command, *ruling).statement = statement;
    in_batch(false);
    return Step::taken;
}

// A session may make statements for ever and drop them in ways that are not seen here (DEALLOCATE): those that were not
// used for longest are forgotten. Should one of them be used after all, it is shown to the host without its text.
void Conversation::make_room(const Statement& statement) {
    const auto is_too_much = [&] {
        const bool is_too_many = statements_.size() >= limits::prepared_statements && !statement.name.empty();
        return is_too_many || statement_bytes_ + statement.size() > prepared_statement_bytes;
    };
    for (std::uint64_t kept_batches = (batch_ - oldest_batch_) / 2; is_too_much(); kept_batches /= 2) {
        oldest_batch_ = batch_ - kept_batches;
        statements_.forget_if([&](const Statement& one) { return one.last_batch < oldest_batch_; },
                              [&](const Ref<Statement>& one) { statement_bytes_ -= one->size(); });
        if (kept_batches == 0) return;
    }
}

// A statement more than the limits allow is refused.
void Conversation::limit_statements(const Statement& statement, Ruling& ruling) {
    make_room(statement);
    const bool is_too_many = statements_.size() >= limits::prepared_statements && !statement.name.empty();
    const bool is_too_much = statement_bytes_ + statement.size() > prepared_statement_bytes;
    if ((!is_too_many && !is_too_much) || is_refused(ruling)) return;
    ruling = Ruling{};
    ruling.refusal = {.code = "53400",
                      .message = "assent: too many prepared statements in one session",
                      .detail = "cause=limit retry=later",
                      .hint = "Close those that are not used any more."};
}

Request& Conversation::push_command(RequestKind kind, const Ref<Command>& command, Ruling& ruling) {
    Request& request = requests_.push(kind);
    request.command = command;
    if (is_refused(ruling)) request.refusal = std::make_unique<Refusal>(std::move(ruling.refusal));
    return request;
}

bool Conversation::read_bind(Bytes message, CommandSeen& seen) {
    Cursor cursor(message);
    cursor.bytes(header_size);
    seen.portal_name = cursor.c_string();
    seen.statement_name = cursor.c_string();
    if (!read_formats(cursor, formats_) || !read_values(cursor, formats_, parameters_)) return false;
    if (!read_formats(cursor, result_formats_)) return false;
    seen.parameters = parameters_;
    seen.result_formats = result_formats_;
    return cursor.finished();
}

Step Conversation::on_bind(Bytes message) {
    CommandSeen seen = command_of(CommandKind::bind);
    if (!read_bind(message, seen)) {
        agent_broke("the agent sent a malformed Bind");
        return Step::taken;
    }
    const auto found = statements_.find(seen.statement_name, batch_);
    if (!found.is_settled) return hold_for_answers();
    if (found.object) found.object->last_batch = batch_;
    if (found.object && found.object->is_known) {
        seen.text = found.object->text;
        const auto& types = found.object->types;
        for (std::size_t i = 0; i < std::min(types.size(), parameters_.size()); ++i) parameters_[i].type = types[i];
        const auto& described = found.object->described_types;
        for (std::size_t i = 0; i < std::min(described.size(), parameters_.size()); ++i)
            parameters_[i].described_type = described[i];
    }
    auto ruling = judge(seen);
    release_large(parameters_);
    if (!ruling) return Step::held;
    if (portals_.size() >= limits::portals && ruling->action == Ruling::Action::forward) {
        ruling = Ruling{};
        ruling->refusal = {.code = "53400",
                           .message = "assent: too many open portals in one session",
                           .detail = "cause=limit retry=later",
                           .hint = ""};
    }
    const Ref<Command> command = make_command(seen, *ruling);
    command->name = seen.portal_name;
    command->statement = found.object;
    portals_.make(command, batch_);
    if (is_refused(*ruling)) {
        send_refused_bind();
        is_skipping_ = true;
    } else {
        to_target_.pass(message);
    }
    push_command(RequestKind::bind, command, *ruling);
    in_batch(true);
    if (!is_refused(*ruling)) describe_for_masks(command);
    return Step::taken;
}

// Types and formats of the columns must be known before the first masked row.
void Conversation::describe_for_masks(const Ref<Command>& command) {
    if (!command->plan.has_masks() || command->is_described) return;
    command->is_described = true;
    ByteVector& out = scratch();
    MessageWriter writer(out);
    writer.begin('D').u8('P').text(command->name).end();
    to_target_.send(out);
    Request& request = requests_.push(RequestKind::describe_portal);
    request.is_own = true;
    request.command = command;
}

Step Conversation::on_execute(Bytes message) {
    Cursor cursor(message);
    cursor.bytes(header_size);
    CommandSeen seen = command_of(CommandKind::execute);
    seen.portal_name = cursor.c_string();
    seen.row_limit = cursor.i32();
    if (!cursor.finished()) {
        agent_broke("the agent sent a malformed Execute");
        return Step::taken;
    }
    auto found = portals_.find(seen.portal_name, batch_);
    if (!found.is_settled) return hold_for_answers();
    const bool is_known = found.object && found.object->is_known;
    if (is_known) {
        seen.id = found.object->id;
        if (found.object->statement && found.object->statement->is_known) {
            seen.text = found.object->statement->text;
            seen.statement_name = found.object->statement->name;
        }
    }
    held_portal_ = is_known ? found.object : Ref<Command>();
    auto ruling = judge(seen);
    if (!ruling) return Step::held;
    held_portal_ = {};
    Ref<Command> command = make_command(seen, *ruling);
    if (is_known) {
        if (command->plan.has_masks()) found.object->plan = command->plan;
        command = found.object;
    } else {
        command->name = seen.portal_name;
    }
    if (is_refused(*ruling)) {
        send_refused_execute();
        is_skipping_ = true;
    } else {
        describe_for_masks(command);
        to_target_.pass(message);
    }
    push_command(RequestKind::execute, command, *ruling);
    in_batch(true);
    return Step::taken;
}

Step Conversation::on_describe(Bytes message) {
    Cursor cursor(message);
    cursor.bytes(header_size);
    const auto what = static_cast<char>(cursor.u8());
    const std::string_view name = cursor.c_string();
    if (!cursor.finished() || (what != 'S' && what != 'P')) {
        agent_broke("the agent sent a malformed Describe");
        return Step::taken;
    }
    to_target_.pass(message);
    Request& request = requests_.push(what == 'S' ? RequestKind::describe_statement : RequestKind::describe_portal);
    if (what == 'S') request.statement = statements_.find(name, batch_).object;
    in_batch(false);
    return Step::taken;
}

Step Conversation::on_close(Bytes message) {
    Cursor cursor(message);
    cursor.bytes(header_size);
    const auto what = static_cast<char>(cursor.u8());
    const std::string_view name = cursor.c_string();
    if (!cursor.finished() || (what != 'S' && what != 'P')) {
        agent_broke("the agent sent a malformed Close");
        return Step::taken;
    }
    to_target_.pass(message);
    if (what == 'S') {
        requests_.push(RequestKind::close_statement).statement = statements_.close(name, batch_);
    } else {
        requests_.push(RequestKind::close_portal).command = portals_.close(name, batch_);
    }
    in_batch(false);
    return Step::taken;
}

bool Conversation::read_function_call(Bytes message, CommandSeen& seen) {
    Cursor cursor(message);
    cursor.bytes(header_size);
    seen.function_oid = cursor.u32();
    if (!read_formats(cursor, formats_) || !read_values(cursor, formats_, parameters_)) return false;
    result_formats_.assign(1, cursor.i16());
    seen.parameters = parameters_;
    seen.result_formats = result_formats_;
    return cursor.finished();
}

Step Conversation::on_function_call(Bytes message) {
    CommandSeen seen = command_of(CommandKind::function_call);
    if (!read_function_call(message, seen)) {
        agent_broke("the agent sent a malformed FunctionCall");
        return Step::taken;
    }
    auto ruling = judge(seen);
    release_large(parameters_);
    if (!ruling) return Step::held;
    const Ref<Command> command = make_command(seen, *ruling);
    if (is_refused(*ruling)) {
        send_refused_function_call();
    } else {
        to_target_.pass(message);
    }
    push_command(RequestKind::function_call, command, *ruling);
    end_batch();
    return Step::taken;
}

void Conversation::on_sync(Bytes message) {
    to_target_.pass(message);
    requests_.push(RequestKind::sync);
    is_skipping_ = false;
    end_batch();
}

// Outside of a copy as far as is known: either the server has not said yet that it copies, or it ignores this.
void Conversation::on_copy_end(Bytes message) {
    if (requests_.empty()) return;
    to_target_.pass(message);
    requests_.push(RequestKind::copy_end);
}

void Conversation::on_goodbye(Bytes message) {
    to_target_.pass(message);
    phase_ = Phase::leaving;
    if (is_drained()) over("the agent ended the session", false);
}

}  // namespace assent::wire::postgres

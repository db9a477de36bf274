// What assent asks the server on the agent's connection, between two of the agent's messages. Everything asked before has
// been answered by then, so the question cannot meet a failed transaction unseen, and it leaves nothing behind, also where
// it may fail.
#include "base/cursor.h"
#include "wire/postgres/conversation.h"

namespace assent::wire::postgres {
namespace {

// Of the statement and the portal; were the agent to take it, questions would fail and commands be decided without.
constexpr std::string_view question_name = "assent question";

// What may fail runs in a transaction of its own, or behind a savepoint of the agent's: read-only, whatever it meets, and
// with little patience for locks and long planning. Both are undone with all their settings, whether it failed or not.
constexpr std::string_view be_quick =
    "SELECT WHERE pg_catalog.set_config('transaction_read_only', 'on', true) IS NULL"
    " OR pg_catalog.set_config('lock_timeout', '10ms', true) IS NULL"
    " OR pg_catalog.set_config('statement_timeout', '2s', true) IS NULL";
constexpr std::string_view begin = "BEGIN READ ONLY";
constexpr std::string_view undo = "ROLLBACK";
constexpr std::string_view set_savepoint = R"(SAVEPOINT "assent question")";
constexpr std::string_view undo_to_savepoint = R"(ROLLBACK TO SAVEPOINT "assent question")";
constexpr std::string_view drop_savepoint = R"(RELEASE SAVEPOINT "assent question")";

void write_parse(MessageWriter& writer, const sql::Question& question) {
    writer.begin('P').text(question_name).text(question.sql).u16(static_cast<std::uint16_t>(question.forms.size()));
    for (const auto& form : question.forms) writer.u32(form.type);
    writer.end();
}

void write_bind(MessageWriter& writer, const sql::Question& question) {
    writer.begin('B').text(question_name).text(question_name);
    writer.u16(static_cast<std::uint16_t>(question.forms.size()));
    for (const auto& form : question.forms) writer.u16(form.is_binary ? 1 : 0);
    writer.u16(static_cast<std::uint16_t>(question.parameters.size()));
    for (std::size_t i = 0; i < question.parameters.size(); ++i) {
        if (i < question.forms.size() && question.forms[i].is_null) {
            writer.u32(0xFFFFFFFF);
            continue;
        }
        const std::string& parameter = question.parameters[i];
        writer.u32(static_cast<std::uint32_t>(parameter.size())).bytes(as_bytes(parameter));
    }
    writer.u16(0).end();
}

}  // namespace

bool Conversation::is_drained() {
    for (std::size_t i = 0; i < requests_.size(); ++i) {
        if (requests_[i].kind != RequestKind::copy_end && !requests_[i].is_uncertain) return false;
    }
    while (!requests_.empty()) pop();
    return true;
}

void Conversation::begin_question(sql::Question question) {
    question_ = std::move(question);
    if (is_drained()) {
        continue_question();
    } else {
        hold_for_answers();
    }
}

// All that was asked before has been answered.
void Conversation::continue_question() {
    if (transaction_status_ == 'E') {
        question_.reset();
        can_ask_ = false;
        return;
    }
    send_question();
}

void Conversation::write_step(MessageWriter& writer, const sql::Question& step) {
    write_parse(writer, step);
    write_bind(writer, step);
    writer.begin('E').text(question_name).u32(0).end();
    for (const auto kind : {RequestKind::parse, RequestKind::bind, RequestKind::execute}) requests_.push(kind).is_own = true;
    write_close(writer);
}

void Conversation::write_close(MessageWriter& writer) {
    writer.begin('C').u8('P').text(question_name).end();
    writer.begin('C').u8('S').text(question_name).end();
    for (const auto kind : {RequestKind::close_portal, RequestKind::close_statement}) requests_.push(kind).is_own = true;
}

void Conversation::write_step(MessageWriter& writer, std::string_view text) {
    write_step(writer, sql::Question{.sql = std::string(text), .parameters = {}});
}

void Conversation::write_sync(MessageWriter& writer) {
    writer.begin('S').end();
    requests_.push(RequestKind::sync).is_own = true;
}

void Conversation::send_question() {
    const sql::Question question = std::move(*question_);
    question_.reset();
    ByteVector& out = scratch();
    MessageWriter writer(out);
    if (question.may_fail) {
        write_guarded(writer, question);
    } else {
        write_step(writer, question);
        if (batch_runs_) {
            // A Sync would end an implicit transaction in which something has run; Flush keeps it open.
            writer.begin('H').end();
        } else {
            write_sync(writer);
        }
    }
    answer_rows_.clear();
    answer_bytes_ = 0;
    has_question_failed_ = false;
    may_question_fail_ = question.may_fail;
    if (!is_ready_held_) waiting_ = Waiting::question;
    requests_[requests_.size() - 1].ends_question = true;
    to_target_.send(out);
}

void Conversation::write_guarded(MessageWriter& writer, const sql::Question& question) {
    const bool is_in_transaction = transaction_status_ == 'T';
    write_step(writer, is_in_transaction ? set_savepoint : begin);
    write_step(writer, be_quick);
    write_step(writer, question);
    write_sync(writer);
    write_close(writer);  // an error leaves statement and portal
    write_step(writer, is_in_transaction ? undo_to_savepoint : undo);
    if (is_in_transaction) write_step(writer, drop_savepoint);
    write_sync(writer);
}

void Conversation::on_own_reply(Request& front, char type, Bytes message) {
    bool is_expected = false;
    switch (front.kind) {
        case RequestKind::execute:
            if (type == 'D') {
                collect_row(message);
                return;
            }
            is_expected = type == 'C';
            break;
        case RequestKind::describe_portal: {
            Command& command = *front.command;
            is_expected = type == 'n' || (type == 'T' && read_row_description(message, command.shapes));
            command.has_shapes = true;
            if (is_expected && type == 'T' && command.plan.recorded_bytes > 0) show_result(command, message);
            break;
        }
        case RequestKind::sync:
            is_expected = type == 'Z' && message.size() == header_size + 1;
            if (is_expected) transaction_status_ = static_cast<char>(message.back());
            break;
        default:
            is_expected = type == reply_to(front.kind);
            break;
    }
    if (!is_expected) {
        target_broke("sent an answer to something else than was asked");
        return;
    }
    const bool ends_question = front.ends_question;
    pop();
    if (ends_question) question_ended();
}

void Conversation::collect_row(Bytes message) {
    answer_bytes_ += message.size();
    if (answer_bytes_ > limits::message_size) {
        has_question_failed_ = true;
        answer_rows_ = {};
        return;
    }
    Cursor cursor(message);
    cursor.bytes(header_size);
    const std::size_t count = cursor.u16();
    sql::Row row;
    for (std::size_t i = 0; i < count && cursor.ok(); ++i) {
        const std::int32_t size = cursor.i32();
        if (size < 0) {
            row.emplace_back(std::nullopt);
        } else {
            row.emplace_back(std::string(as_text(cursor.bytes(static_cast<std::size_t>(size)))));
        }
    }
    if (!cursor.finished()) {
        target_broke("sent a malformed row");
        return;
    }
    if (!has_question_failed_) answer_rows_.push_back(std::move(row));
}

void Conversation::on_own_error(Bytes message) {
    Request& front = requests_.front();
    if (front.kind == RequestKind::describe_portal || batch_runs_) {
        // It stands for an error of the agent's batch, which has failed by it.
        is_skipping_ = true;
        pass_error(read_error(message), message);
    }
    has_question_failed_ = true;
    while (!requests_.empty() && requests_.front().kind != RequestKind::sync) {
        skip_request(requests_.front());
        pop();
    }
    if (is_skipping_ && waiting_ != Waiting::nothing) drop_held("not run: the batch failed");
}

void Conversation::question_ended() {
    std::vector<sql::Row> rows = std::exchange(answer_rows_, {});
    const bool has_failed = std::exchange(has_question_failed_, false);
    if (!has_failed) host_.answered(std::move(rows));
    if (is_over()) return;
    if (is_ready_held_) {
        is_ready_held_ = false;
        ByteVector out;
        MessageWriter(out).begin('Z').u8(static_cast<std::uint8_t>(transaction_status_)).end();
        on_ready(out);
        to_agent_.flush();
        return;
    }
    // What may fail says nothing of the next one; else an agent could keep us from asking for names by a lock.
    can_ask_ = !has_failed || may_question_fail_;
    waiting_ = Waiting::nothing;
}

}  // namespace assent::wire::postgres

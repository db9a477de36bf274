// How commands end: what the session learns of it, and what the log is told.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "session/session_impl.h"

namespace assent::session {
namespace {

// Encodings in which every byte below 0x80 is that character, so that the parser and the server read the same text.
bool is_safe_encoding(std::string_view name) { return name == "UTF8" || name == "SQL_ASCII"; }

// By which the same bytes are other values; those that the server tells of.
constexpr std::array<std::string_view, 5> settings_of_reading = {"DateStyle", "IntervalStyle", "TimeZone", "client_encoding",
                                                                 "standard_conforming_strings"};

// Policies are UTF-8, and names are compared byte by byte. Where the server passes bytes as they are stored, those that are
// UTF-8 are taken for it.
std::string why_unreadable(const std::vector<sql::Row>& rows, std::string_view encoding) {
    const bool is_safe = is_safe_encoding(encoding);
    for (const sql::Row& row : rows) {
        for (const auto& field : row) {
            if (!field.has_value() || is_ascii(*field) || (is_safe && is_utf8(*field))) continue;
            if (!is_safe)
                return fmt::format("a name in the catalog is not ASCII, and comes in {}: connect with client_encoding UTF8",
                                   encoding);
            return "a name in the catalog is not UTF-8";
        }
    }
    return {};
}

}  // namespace

void SessionImpl::answered(std::vector<sql::Row> rows) {
    if (pending_.has_value() && pending_->stage == Pending::Stage::estimating) {
        estimate_answered(rows);
        return;
    }
    const std::string why = why_unreadable(rows, encoding_);
    const auto learned = why.empty() ? judge_.learn(rows) : fail(Errc::unsupported, why);
    if (!learned.has_value()) tell_event("catalog_failed", learned.error().message);
    // Names stay unresolved: no allow rule but `any` covers them.
    const bool is_past = has_old_snapshot_ && judge_.catalog().sees_snapshot();
    if (!learned.has_value() || is_past) judge_.forget_names();
    if (is_past && pending_.has_value()) pending_->names_keep_changing = true;
}

std::optional<sql::Question> SessionImpl::ready() {
    is_authenticated_ = true;
    set_wake();
    return judge_.question(sql::Parsed{});
}

void SessionImpl::result_seen(wire::CommandId id, Bytes bytes) {
    if (Running* running = running_.find(id)) running->result.append(as_text(bytes));
}

void SessionImpl::finished(const wire::Outcome& outcome) {
    Running* running = running_.find(outcome.id);
    if (running == nullptr) return;
    const Running done = std::move(*running);
    running_.remove(outcome.id);
    add_grant(done.grant);
    if (done.judged != nullptr && !done.is_refused) settle(done, outcome);
    const bool is_quiet_parse = done.kind == wire::CommandKind::parse && !done.is_recorded && !outcome.is_error;
    if (!is_quiet_parse && done.kind != wire::CommandKind::startup) record_outcome(done, outcome);
    if (done.kind != wire::CommandKind::parse) remember(done);
}

void SessionImpl::settle(const Running& running, const wire::Outcome& outcome) {
    Statements& statements = judge_.statements();
    if (running.kind == wire::CommandKind::parse) {
        if (statements.parse_finished(running.id, outcome.is_error)) judge_.statements_changed();
        return;
    }
    const sql::Analysis& analysis = running.judged->analysis;
    bool has_names = false;
    for (const sql::StatementFacts& facts : analysis.statements) {
        has_names = has_names || !facts.prepares.empty() || !facts.deallocates.empty() || !facts.declares.empty();
    }
    if (has_names) {
        statements.apply(analysis, outcome.is_error, running.judged);
        judge_.statements_changed();
    }
    if (analysis.may_change_names) judge_.forget_names();
}

void SessionImpl::record_outcome(const Running& running, const wire::Outcome& outcome) {
    std::string& members = scratch_->members;
    members.clear();
    JsonWriter writer(members);
    writer.member("command", outcome.id);
    if (!outcome.tag.empty()) writer.member("tag", outcome.tag);
    writer.member("rows", outcome.rows).member("bytes", outcome.bytes);
    if (outcome.is_error) writer.member("code", outcome.code).member("error", outcome.message);
    if (running.is_refused || outcome.was_refused) writer.member("refused", true);
    if (outcome.masked_fields > 0) writer.member("masked_fields", outcome.masked_fields);
    const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(ports_.clock().now() - running.started);
    writer.member("duration_us", elapsed.count());
    if (!running.is_recorded && running.judged != nullptr && running.parsed != nullptr) {
        // A statement that was prepared and refused by the server never became a command: say what it was.
        std::string changed;
        writer.member("text", recorded_text(running.parsed->text, running.parsed.get(), *running.judged, changed));
    }
    const model::RecordBody body{"result", as_bytes(running.result)};
    recorder_.tell(model::record_type::outcome, members, std::span(&body, running.result.empty() ? 0 : 1));
}

void SessionImpl::remember(const Running& running) {
    if (running.parsed != nullptr) before_.add(running.parsed->text);
}

void SessionImpl::transaction_status(char status) {
    status_ = status;
    has_stepped_ = running_.any(
        [](const Running& one) { return one.judged != nullptr && !one.is_refused && one.judged->has_transaction_step; });
    if (status == 'I')
        transaction_began_ = {};
    else if (transaction_began_ == WallTime{})
        transaction_began_ = ports_.clock().wall();
    if (status == 'I') {
        if (has_changed_names_) judge_.forget_names();
        judge_.transaction_ended();
        begin_transaction_anew();
        grants_in_transaction_.clear();
    }
    announce_end_of_changes();
    // Not from inside the adapter: it is still at work.
    if (is_draining_) ports_.wake_at(ports_.clock().now());
}

void SessionImpl::setting_changed(std::string_view name, std::string_view value) {
    if (name == "standard_conforming_strings") has_conforming_strings_ = value == "on";
    if (name == "client_encoding") {
        encoding_ = value;
        has_safe_encoding_ = is_safe_encoding(value);
    }
    if (std::ranges::find(settings_of_reading, name) != settings_of_reading.end())
        reading_.insert_or_assign(std::string(name), value);
}

void SessionImpl::statement_closed(std::string_view name) {
    judge_.statements().statement_closed(name);
    if (!name.empty()) judge_.statements_changed();
}

void SessionImpl::portal_closed(std::string_view name) { judge_.statements().portal_closed(name); }

}  // namespace assent::session

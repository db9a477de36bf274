// Decides on commands: names first, then the verdict, then people, then the record; only then is a command forwarded.
#include <algorithm>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "session/refusals.h"
#include "session/session_impl.h"
#include "sql/recorded_text.h"

namespace assent::session {
namespace {

using wire::CommandKind;
using wire::Ruling;
using Action = wire::Ruling::Action;

constexpr unsigned questions_a_text = 2;  // what its names are, and where they lead

Ruling action(Action which) {
    Ruling out;
    out.action = which;
    return out;
}

std::string_view name_of(CommandKind kind) {
    switch (kind) {
        case CommandKind::startup:
            return "startup";
        case CommandKind::query:
            return "query";
        case CommandKind::parse:
            return "parse";
        case CommandKind::bind:
            return "bind";
        case CommandKind::execute:
            return "execute";
        case CommandKind::function_call:
            return "function_call";
    }
    return "unknown";
}

bool asks_for_replication(std::string_view value) {
    return !value.empty() && value != "false" && value != "off" && value != "no" && value != "0";
}

// U&"\00e9": a name that is other bytes to the server than to the parser, which knows UTF-8 alone.
bool names_by_code_point(std::string_view text) {
    for (std::size_t at = text.find("&\""); at != std::string_view::npos; at = text.find("&\"", at + 1)) {
        if (at > 0 && (text[at - 1] == 'U' || text[at - 1] == 'u')) return true;
    }
    return false;
}

// Where an ASCII byte may be a part of another character, fields cannot be told apart by their delimiter.
std::shared_ptr<const std::vector<model::CopyLayout>> readable(
    const std::shared_ptr<const std::vector<model::CopyLayout>>& copies, bool has_safe_encoding) {
    if (copies == nullptr || has_safe_encoding || std::ranges::all_of(*copies, &model::CopyLayout::is_plain)) return copies;
    return nullptr;
}

// Of a hold that is neither answered nor past its deadline; empty otherwise.
std::string why_gone(const model::HoldStatus& hold) {
    switch (hold.state) {
        case model::HoldState::used:
            return "its approval has been used by another connection";
        case model::HoldState::revoked:
            return "its approval was taken back" + (hold.reason.empty() ? "" : ": " + hold.reason);
        case model::HoldState::cancelled:
            return "it was cancelled meanwhile";
        default:
            return {};
    }
}

// Settings that change how the server reads the text of the next command.
bool changes_lexing(const sql::Analysis& analysis) {
    if (analysis.may_change_names) return true;
    return std::ranges::any_of(analysis.effects, [](const model::Effect& effect) {
        return effect.operation == model::Operation::session || effect.operation == model::Operation::unknown ||
               effect.operation == model::Operation::execute;
    });
}

}  // namespace

wire::Ruling SessionImpl::rule(const wire::CommandSeen& command) {
    if (is_over_) return refuse(command, ended("assent", ""));
    if (command.kind == CommandKind::execute) return rule_execute(command);
    if (command.kind == CommandKind::startup && flow_.agent.token != nullptr && flow_.agent.token->is_pending) {
        is_waiting_for_token_ = true;
        return action(Action::wait);
    }
    last_judged_ = std::max(last_judged_, command.id);
    if (!pending_.has_value() || pending_->id != command.id) {
        pending_.emplace();
        pending_->id = command.id;
    }
    switch (pending_->stage) {
        case Pending::Stage::fresh:
            return command.kind == CommandKind::startup ? rule_startup(command) : rule_fresh(command);
        case Pending::Stage::estimating:
            return hold(command);
        case Pending::Stage::holding:
        case Pending::Stage::using_hold:
            return rule_held(command);
        case Pending::Stage::recording:
            return rule_recorded(command);
    }
    return refuse(command, denied_by_records());
}

void SessionImpl::make_scope(std::string_view database) {
    const std::string_view target = flow_.target.has_value() ? std::string_view(flow_.target->name) : std::string_view();
    judge_.use(policy_, policy_->scope(agent_sets_, target, database));
}

Place SessionImpl::place() const {
    return {&flow_.agent,
            flow_.target.has_value() ? std::string_view(flow_.target->name) : std::string_view(),
            database_,
            user_,
            &judge_.catalog(),
            &reading_,
            {}};
}

Place SessionImpl::place_of_pending(const Judged& judged) const {
    Place out = place();
    if (pending_->is_unsettled || judged.analysis.uses_cursor_row) out.moment = fmt::format("{} {}", flow_.id, pending_->id);
    return out;
}

wire::Ruling SessionImpl::rule_startup(const wire::CommandSeen& command) {
    if (pending_->judged == nullptr) {
        database_ = command.database;
        user_ = flow_.credential.has_value() ? flow_.credential->user : std::string(command.user);
        make_scope(database_);
        const std::string object = !database_.empty()         ? database_
                                   : flow_.target.has_value() ? flow_.target->name
                                                              : flow_.asked_for.to_text();
        std::vector<model::Effect> effects;
        effects.push_back({model::Operation::connect, {{object, true}}, model::WhereClause::not_applicable, 0});
        for (const auto& [name, value] : command.options) effects.push_back(sql::setting_effect(name));
        if (asks_for_replication(command.replication)) {
            effects.push_back({model::Operation::replicate, {{object, true}}, model::WhereClause::not_applicable, 0});
        }
        const auto judged = judge_.judge_effects(std::move(effects), fmt::format("connect to {}", object), false);
        auto overruled = std::make_shared<Judged>(*judged);
        overrule_startup(*overruled);
        pending_->judged = std::move(overruled);
    }
    return decide(command);
}

void SessionImpl::overrule_startup(Judged& judged) {
    model::Decision decision = model::Decision::deny;
    std::string message;
    if (!flow_.target.has_value() && flow_.unlisted == policy::Settings::Unlisted::pass) {
        decision = model::Decision::allow;
        message = "unlisted targets pass by the settings";
    } else if (!flow_.target.has_value() && flow_.unlisted == policy::Settings::Unlisted::deny) {
        pending_->refusal = not_a_target(flow_.asked_for.to_text());
        message = "no target of the policy has this address";
    } else if (!flow_.credential_failure.empty()) {
        pending_->refusal = no_credential(flow_.target->name, flow_.target->credential);
        message = "the target's credential cannot be read";
    } else if (std::string why = why_no_token(); !why.empty()) {
        pending_->refusal = denied_by_token(why, flow_.agent.token->renewal);
        message = std::move(why);
    } else if (flow_.target.has_value() && !flow_.target->databases.empty() &&
               std::ranges::find(flow_.target->databases, database_) == flow_.target->databases.end()) {
        message = fmt::format("target '{}' has no database '{}'", flow_.target->name, database_);
    } else {
        return;
    }
    overrule(judged, decision, message);
}

void SessionImpl::overrule(Judged& judged, model::Decision decision, const std::string& message) const {
    judged.verdict.decision = decision;
    judged.verdict.is_observed = false;
    judged.verdict.message = message;
    judged.verdict.rules.clear();
    judged.record.clear();
    JsonWriter(judged.record)
        .member("decision", model::name_of(decision))
        .member("enforced", model::name_of(decision))
        .strings("rules", judged.verdict.rules)
        .member("message", message)
        .member("policy_revision", policy_->revision());
}

std::shared_ptr<const sql::Parsed> SessionImpl::text_of(const wire::CommandSeen& command) {
    if (command.kind != CommandKind::bind) return judge_.parse(command.text, command.kind == CommandKind::query);
    // What the server will run under the name, as far as it has confirmed it; the adapter must agree.
    auto parsed = judge_.statements().find(command.statement_name);
    if (parsed == nullptr || (!command.text.empty() && parsed->text != command.text)) return nullptr;
    return parsed;
}

bool SessionImpl::has_known_lexing(std::string_view text) const {
    if (!has_conforming_strings_) return false;
    if (!has_safe_encoding_ && names_by_code_point(text)) return false;
    const bool is_plain = is_ascii(text) && text.find('\\') == std::string_view::npos;
    if (is_plain) return true;
    if (!has_safe_encoding_ && !is_ascii(text)) return false;
    // Something on its way may change it before this text is read.
    return !running_.any(
        [](const Running& one) { return one.judged != nullptr && !one.is_refused && changes_lexing(one.judged->analysis); });
}

std::shared_ptr<const Judged> SessionImpl::judge_anew(const wire::CommandSeen& command) {
    if (command.kind == CommandKind::startup) return pending_->judged;
    if (command.kind == CommandKind::function_call) {
        return judge_.judge_effects(sql::function_call_effects(command.function_oid),
                                    fmt::format("function {}", command.function_oid), true);
    }
    // A Bind is read again: what its statement is may have become certain meanwhile.
    std::shared_ptr<const sql::Parsed>& parsed = pending_->parsed;
    if (parsed == nullptr || command.kind == CommandKind::bind) parsed = text_of(command);
    if (parsed == nullptr) {
        std::vector<model::Effect> effects;
        const std::string name = fmt::format("statement {}", command.statement_name);
        effects.push_back({model::Operation::unknown, {{name, true}}, model::WhereClause::not_applicable, 0});
        return judge_.judge_effects(std::move(effects), name, true);
    }
    return judge_.judge(parsed, command.parameters, has_known_lexing(parsed->text));
}

wire::Ruling SessionImpl::rule_fresh(const wire::CommandSeen& command) {
    if (pending_->asked == 0 && command.can_ask) judge_.forget_old_names();
    heed_other_sessions(command, pending_->asked == 0);
    // A Sync may have ended an implicit transaction, and with it a SET LOCAL, whose end is not known yet.
    const bool may_have_ended = !command.is_in_batch && (command.transaction_status != 'T' || has_stepped_);
    if (has_changed_names_ && may_have_ended && pending_->asked == 0) judge_.forget_names();
    const bool may_ask = command.kind != CommandKind::function_call && command.can_ask;
    if (may_ask && pending_->asked < questions_a_text) {
        pending_->parsed = text_of(command);
        if (pending_->parsed != nullptr) {
            if (auto question = judge_.question(*pending_->parsed); question.has_value()) return ask(std::move(*question));
        }
    }
    pending_->judged = judge_anew(command);
    const bool is_denied = pending_->judged->verdict.enforced() == model::Decision::deny;
    if (is_denied && pending_->names_keep_changing && pending_->judged->analysis.has_unresolved_names)
        pending_->refusal = denied_by_changed_names();
    // EXECUTE names a statement whose own names may have been forgotten.
    for (const sql::StatementFacts& facts : pending_->judged->analysis.statements) {
        if (!may_ask || facts.executes.empty() || pending_->asked >= 2 * questions_a_text) continue;
        const auto prepared = judge_.statements().find(facts.executes);
        if (prepared == nullptr) continue;
        if (auto question = judge_.question(*prepared); question.has_value()) {
            pending_->asked = std::max(pending_->asked, questions_a_text);
            return ask(std::move(*question));
        }
    }
    if (auto refusal = token_refusal(command)) {
        auto overruled = std::make_shared<Judged>(*pending_->judged);
        overrule(*overruled, model::Decision::deny, why_no_token());
        pending_->judged = std::move(overruled);
        pending_->refusal = std::move(refusal);
    }
    return decide(command);
}

wire::Ruling SessionImpl::ask(sql::Question question) {
    ++pending_->asked;
    Ruling out = action(Action::ask);
    out.question = std::move(question);
    return out;
}

void SessionImpl::apply_suspension() {
    const std::string why = ports_.why_suspended(agent_sets_);
    if (why.empty()) return;
    model::Verdict verdict = pending_->judged->verdict;
    verdict.decision = model::Decision::deny;
    verdict.is_observed = false;
    verdict.rules.clear();
    verdict.approvals.clear();
    verdict.limits.clear();
    verdict.message = fmt::format("The agent is suspended: {}", why);
    pending_->judged = judge_.overruled(*pending_->judged, std::move(verdict));
    pending_->refusal = suspended(why);
}

void SessionImpl::apply_limits(const wire::CommandSeen& command) {
    const model::Verdict& judged = pending_->judged->verdict;
    if (judged.limits.empty() || pending_->is_counted || command.kind == CommandKind::parse) return;
    pending_->is_counted = true;
    const auto over = ports_.count(judged.limits);
    if (over.empty()) return;
    model::Verdict verdict = judged;
    const bool is_denied = std::ranges::any_of(over, [](const auto& one) { return one.then == model::Decision::deny; });
    verdict.decision = is_denied ? model::Decision::deny : model::Decision::hold;
    if (judged.decision != model::Decision::hold || is_denied) verdict.approvals.clear();
    verdict.rules.clear();
    for (const model::RuleLimit& one : over) {
        if (is_denied && one.then != model::Decision::deny) continue;
        verdict.rules.push_back(one.rule);
        verdict.message = fmt::format("Rule '{}' lets an agent run {} commands in {}, and these are used up.", one.rule,
                                      one.commands, one.per);
        if (!is_denied && std::ranges::find(verdict.approvals, one.approval) == verdict.approvals.end())
            verdict.approvals.push_back(one.approval);
    }
    std::ranges::sort(verdict.approvals);
    if (is_denied) pending_->refusal = denied_by_limit(verdict);
    pending_->judged = judge_.overruled(*pending_->judged, std::move(verdict));
}

wire::Ruling SessionImpl::decide(const wire::CommandSeen& command) {
    if (!recorder_.is_available()) return refuse(command, denied_by_records());
    apply_limits(command);
    apply_suspension();
    const Judged& judged = *pending_->judged;
    switch (judged.verdict.enforced()) {
        case model::Decision::deny: {
            if (const auto instead = record_command(command, false)) return *instead;
            if (pending_->refusal) return refuse(command, *pending_->refusal);
            return refuse(command, denied_by_policy(judged.verdict), RefusedBy::rule);
        }
        case model::Decision::hold:
            if (command.kind == CommandKind::parse) return forward(command);  // held when it is bound, with its values
            return hold(command);
        case model::Decision::allow:
            if (command.kind == CommandKind::parse) return forward(command);
            return record_and_forward(command);
    }
    return refuse(command, denied_by_policy(judged.verdict));
}

wire::Ruling SessionImpl::hold(const wire::CommandSeen& command) {
    const Judged& judged = *pending_->judged;
    if (const auto instead = record_command(command, true)) return *instead;
    if (has_written_ && command.transaction_status != 'I' && !may_wait_in_transaction(judged, *policy_)) {
        return refuse(command, denied_in_transaction(judged.verdict));
    }
    if (pending_->is_cancelled) return refuse(command, cancelled());
    if (auto question = estimate(command)) return std::move(*question);
    // The answers took their time.
    if (auto refusal = token_refusal(command)) return refuse(command, std::move(*refusal));
    if (const std::string why = ports_.why_suspended(agent_sets_); !why.empty()) return refuse(command, suspended(why));
    // A Parse runs nothing; everything else that is under way may.
    pending_->is_unsettled = running_.any([](const Running& one) {
        return one.kind != CommandKind::parse && one.judged != nullptr && !one.is_refused &&
               changes_lexing(one.judged->analysis);
    });
    auto request =
        hold_request(place_of_pending(judged), command, shown_text_of(command), judged, *policy_, pending_->parsed.get());
    if (!request.has_value()) return refuse(command, cannot_hold(request.error().message, judged.verdict));
    request->session = flow_.id;
    request->agent_sets = agent_sets_;
    request->before = before_.list();
    request->estimate = pending_->estimate;
    if (request->is_in_transaction) request->in_transaction_since = transaction_began_;
    pending_->stage = Pending::Stage::holding;
    pending_->digest = request->digest;
    pending_->approvals = request->approvals;
    pending_->wait_until = ports_.clock().now() + request->wait;
    set_wake();
    ports_.open_hold(*request);
    return action(Action::wait);
}

std::optional<wire::Ruling> SessionImpl::ask_names_again(const wire::CommandSeen& command) {
    constexpr unsigned most = 16;  // of its own names and those of each statement that it executes
    Pending& pending = *pending_;
    if (pending.parsed == nullptr || pending.asked_again >= most) return std::nullopt;
    // Also where nobody can be asked: what is not known any more is not what was approved.
    if (pending.asked_again == 0) {
        judge_.forget_names();
        heed_other_sessions(command, true);
    }
    if (!command.can_ask) return std::nullopt;
    auto question = judge_.question(*pending.parsed);
    for (const sql::StatementFacts& facts : pending.judged->analysis.statements) {
        if (question.has_value()) break;
        const auto prepared = facts.executes.empty() ? nullptr : judge_.statements().find(facts.executes);
        if (prepared != nullptr) question = judge_.question(*prepared);
    }
    ++pending.asked_again;
    if (!question.has_value()) return std::nullopt;
    return ask(std::move(*question));
}

wire::Ruling SessionImpl::rule_held(const wire::CommandSeen& command) {
    Pending& pending = *pending_;
    const std::shared_ptr<const Judged> judged = pending.judged;
    if (auto refusal = pending.stage == Pending::Stage::holding ? token_refusal(command) : std::nullopt) {
        leave_hold(false);
        return refuse(command, std::move(*refusal));
    }
    if (const std::string why = ports_.why_suspended(agent_sets_); !why.empty()) {
        leave_hold(false);
        return refuse(command, suspended(why));
    }
    if (!pending.hold_error.empty()) return refuse(command, cannot_hold(pending.hold_error, judged->verdict));
    if (pending.stage == Pending::Stage::using_hold) {
        if (!pending.hold_was_free.has_value()) return action(Action::wait);
        if (!*pending.hold_was_free)
            return refuse(command, cannot_hold("its approval has been used by another connection", judged->verdict));
        return release(command);
    }
    if (pending.is_cancelled) {
        leave_hold(true);
        return refuse(command, cancelled());
    }
    const bool is_waiting = !pending.hold.has_value() || pending.hold->state == model::HoldState::waiting;
    if (is_waiting && ports_.clock().now() < pending.wait_until) return action(Action::wait);
    if (!pending.hold.has_value()) return refuse(command, cannot_hold("no answer came in time", judged->verdict));
    if (is_waiting) {
        leave_hold(false);
        return refuse(command, still_waiting(*pending.hold, judged->verdict));
    }
    if (const std::string why = why_gone(*pending.hold); !why.empty())
        return refuse(command, cannot_hold(why, judged->verdict));
    if (pending.hold->state != model::HoldState::approved) {
        const bool is_denied = pending.hold->state == model::HoldState::denied;
        return refuse(command, denied_by_hold(*pending.hold, judged->verdict),
                      is_denied ? RefusedBy::reviewer : RefusedBy::other);
    }
    // Approved: judged again under the policy in force, and it must still be the very command that was approved.
    if (auto question = ask_names_again(command)) return std::move(*question);
    const auto again = judge_anew(command);
    if (again->verdict.enforced() == model::Decision::deny) return refuse(command, denied_by_policy(again->verdict));
    if (command_digest(place_of_pending(*again), command, shown_text_of(command), *again) != pending.digest) {
        return refuse(command, cannot_hold("what it would do has changed while it waited", again->verdict));
    }
    if (again->verdict.enforced() == model::Decision::hold) {
        const auto wanted = hold_request(place_of_pending(*again), command, shown_text_of(command), *again, *policy_);
        if (!wanted.has_value() || !model::covers(pending.approvals, wanted->approvals))
            return refuse(command,
                          cannot_hold("the rules have changed meanwhile, and others have to approve it now; send it again",
                                      again->verdict));
    }
    pending.judged = again;
    pending.stage = Pending::Stage::using_hold;
    ports_.use_hold(pending.hold->id);
    return action(Action::wait);
}

wire::Ruling SessionImpl::release(const wire::CommandSeen& command) {
    std::string members;
    JsonWriter(members)
        .member("event", "released")
        .member("command", command.id)
        .member("hold", pending_->hold->id)
        .member("by", pending_->hold->decided_by)
        .member("grant", pending_->hold->grant)
        .member("policy_revision", policy_->revision());
    const auto ticket = recorder_.append(model::record_type::flow_event, members, {}, true);
    if (!ticket.has_value()) return refuse(command, denied_by_records());
    pending_->ticket = *ticket;
    pending_->stage = Pending::Stage::recording;
    return rule_recorded(command);
}

wire::Ruling SessionImpl::record_and_forward(const wire::CommandSeen& command) {
    const bool is_urgent = must_be_durable(command, *pending_->judged);
    if (const auto instead = record_command(command, is_urgent)) return *instead;
    if (!is_urgent) return forward(command);
    pending_->stage = Pending::Stage::recording;
    return rule_recorded(command);
}

wire::Ruling SessionImpl::rule_recorded(const wire::CommandSeen& command) {
    if (recorder_.is_durable(pending_->ticket)) {
        const std::string why =
            command.kind == CommandKind::startup ? "" : judge_.stricter_now(*pending_->judged, shown_text_of(command));
        if (why.empty()) return forward(command);
        model::Verdict verdict;  // the policy was reloaded while the disk was waited for
        verdict.message = why;
        return refuse(command, denied_by_policy(verdict));
    }
    if (!recorder_.is_available()) return refuse(command, denied_by_records());
    return action(Action::wait);
}

bool SessionImpl::must_be_durable(const wire::CommandSeen& command, const Judged& judged) const {
    // Nothing reaches a target unrecorded, also when this process is killed the moment after.
    if (command.kind == CommandKind::startup) return true;
    if (command.kind == CommandKind::function_call || flow_.waits_for_reads) return true;
    if (judged.has_transaction_step) {
        const bool commits = std::ranges::any_of(judged.analysis.statements, [](const sql::StatementFacts& facts) {
            return facts.transaction == sql::TransactionStep::commit || facts.transaction == sql::TransactionStep::prepare;
        });
        // COMMIT PREPARED comes with no transaction open.
        return judged.analysis.writes || (commits && (has_written_ || status_ == 'I'));
    }
    if (!judged.analysis.writes) return false;
    // A crash before its COMMIT, which waits for the disk, undoes a plain write.
    return !(judged.is_plain_write && status_ == 'T' && !has_stepped_);
}

std::optional<wire::Ruling> SessionImpl::record_command(const wire::CommandSeen& command, bool is_urgent) {
    if (pending_->is_recorded) return std::nullopt;
    const Judged& judged = *pending_->judged;
    std::string& members = scratch_->members;
    write_members(members, command, judged);
    std::string changed;
    const std::string_view text = recorded_text(shown_text_of(command), pending_->parsed.get(), judged, changed);
    std::string& parameters = scratch_->parameters;
    std::array<model::RecordBody, 2> bodies{{{"text", as_bytes(text)}, {}}};
    std::size_t body_count = text.empty() ? 0 : 1;
    if (!command.parameters.empty()) {
        write_parameters(parameters, command.parameters, judged);
        bodies.at(body_count++) = {"parameters", as_bytes(parameters)};
    }
    const auto ticket =
        recorder_.append(model::record_type::command, members, std::span(bodies).first(body_count), is_urgent);
    if (!ticket.has_value()) {
        if (ticket.error().code == Errc::limit) return action(Action::wait);  // records_moved() asks again
        return refuse(command, denied_by_records());
    }
    pending_->is_recorded = true;
    pending_->ticket = *ticket;
    if (command.kind != CommandKind::startup) ++command_count_;
    return std::nullopt;
}

void SessionImpl::write_members(std::string& members, const wire::CommandSeen& command, const Judged& judged) const {
    members.clear();
    JsonWriter writer(members);
    writer.member("command", command.id).member("kind", name_of(command.kind));
    writer.member("status", std::string_view(&command.transaction_status, 1));
    writer.member("database", database_).member("user", user_);
    if (!command.statement_name.empty()) writer.member("statement_name", command.statement_name);
    if (command.kind == CommandKind::startup && !command.options.empty()) {
        std::string options = "{";
        JsonWriter option_writer(options);
        for (const auto& [name, value] : command.options) option_writer.member(name, value);
        options.push_back('}');
        writer.raw("options", options);
    }
    members.push_back(',');
    members += judged.record;
}

wire::Ruling SessionImpl::forward(const wire::CommandSeen& command) {
    const std::shared_ptr<const Judged> judged = std::move(pending_->judged);
    Running running;
    running.id = command.id;
    running.kind = command.kind;
    running.parsed = std::move(pending_->parsed);
    running.judged = judged;
    running.started = ports_.clock().now();
    running.is_recorded = pending_->is_recorded;
    if (pending_->hold.has_value()) running.grant = pending_->hold->grant;
    pending_.reset();

    Ruling out = action(Action::forward);
    Statements& statements = judge_.statements();
    if (command.kind == CommandKind::parse) {
        statements.parsing(command.id, command.statement_name, running.parsed);
    } else {
        const sql::Analysis& analysis = judged->analysis;
        const bool names_statements = std::ranges::any_of(analysis.statements, [](const sql::StatementFacts& facts) {
            return !facts.prepares.empty() || !facts.deallocates.empty() || !facts.declares.empty();
        });
        if (names_statements) {
            statements.running(analysis);
            judge_.statements_changed();
            out.forgets_names = true;
        }
        if (command.kind == CommandKind::bind) {
            statements.portal_bound(command.portal_name,
                                    analysis.statements.empty() ? model::ResultMasks{} : analysis.statements.front().masks,
                                    judged);
        }
        heed_changes(*judged);
        running.may_change_shared_names = announce_changes(*judged);
        if (analysis.writes) has_written_ = true;
    }
    running_.add(std::move(running));

    out.masks = judged->masks;
    out.recorded_result_bytes = limits::record_body_result;
    out.copies = readable(judged->copies, has_safe_encoding_);
    return out;
}

void SessionImpl::add_grant(const std::string& grant) {
    const bool is_new = std::ranges::find(grants_in_transaction_, grant) == grants_in_transaction_.end();
    if (!grant.empty() && is_new) grants_in_transaction_.push_back(grant);
}

wire::Ruling SessionImpl::refuse(const wire::CommandSeen& command, wire::Refusal refusal, RefusedBy by) {
    const bool is_startup = command.kind == CommandKind::startup;
    const bool is_pending = pending_.has_value() && pending_->id == command.id;
    ports_.refused(by, refusal,
                   is_startup   ? fmt::format("connect to {}", flow_.asked_for.to_text())
                   : is_pending ? std::string(shown_text_of(command))
                                : std::string(command.text));
    Running running;
    running.id = command.id;
    running.kind = command.kind;
    running.started = ports_.clock().now();
    running.is_refused = true;
    if (pending_.has_value() && pending_->id == command.id) {
        running.parsed = pending_->parsed;
        running.judged = pending_->judged;
        running.is_recorded = pending_->is_recorded;
        pending_.reset();
    }
    if (running_.find(command.id) == nullptr) running_.add(std::move(running));
    Ruling out;
    out.refusal = std::move(refusal);
    return out;
}

wire::Ruling SessionImpl::rule_execute(const wire::CommandSeen& command) {
    if (auto refusal = token_refusal(command)) return refuse(command, std::move(*refusal));
    if (const std::string suspension = ports_.why_suspended(agent_sets_); !suspension.empty())
        return refuse(command, suspended(suspension));
    Running* running = running_.find(command.id);
    const bool is_bound_here = running != nullptr && running->judged != nullptr && !running->is_refused;
    // A portal that was opened under an older policy: the more restrictive of the two verdicts wins.
    const std::string why =
        is_bound_here ? judge_.stricter_now(*running->judged,
                                            running->parsed != nullptr ? std::string_view(running->parsed->text) : "")
                      : judge_.stricter_now(command.portal_name);
    if (!why.empty()) {
        model::Verdict verdict;
        verdict.message = why;
        return refuse(command, denied_by_policy(verdict));
    }
    const Cursor* const cursor = is_bound_here ? nullptr : judge_.statements().cursor(command.portal_name);
    const Judged* const judged = is_bound_here       ? running->judged.get()
                                 : cursor != nullptr ? cursor->opened_by.get()
                                                     : nullptr;
    // What was judged since its Bind does not count on what it changes.
    if (judged != nullptr && (!is_bound_here || command.id < last_judged_)) {
        // Whose end will be seen.
        if (!is_bound_here && judged->changes_shared_names) return refuse(command, denied_late());
        heed_changes(*judged);
        const bool is_announced = announce_changes(*judged);
        if (is_bound_here) running->may_change_shared_names = is_announced;
    } else if (judged == nullptr) {
        has_changed_names_ = true;
        judge_.transaction_changed_names(true);
        judge_.forget_names();
    }
    Ruling out = action(Action::forward);
    out.recorded_result_bytes = limits::record_body_result;
    if (is_bound_here) {
        out.masks = running->judged->masks;
        out.copies = readable(running->judged->copies, has_safe_encoding_);
        return out;
    }
    // Declared in SQL, or its command has ended: its masks are those of its name.
    if (judge_.is_ready() && !judge_.scope().has_masks()) return action(Action::forward);
    if (cursor != nullptr) {
        const bool is_observed = cursor->opened_by != nullptr && cursor->opened_by->verdict.is_observed;
        if (is_observed || cursor->masks.is_plain()) return action(Action::forward);
        out.masks = std::make_shared<const std::vector<model::ResultMasks>>(1, cursor->masks);
        return out;
    }
    return refuse(command, cannot_hold("the portal is not known", model::Verdict{}));
}

std::string_view SessionImpl::shown_text_of(const wire::CommandSeen& command) const {
    return pending_->parsed != nullptr ? std::string_view(pending_->parsed->text) : command.text;
}

std::string_view SessionImpl::recorded_text(std::string_view text, const sql::Parsed* parsed, const Judged& judged,
                                            std::string& changed) const {
    const bool is_read = parsed != nullptr && parsed->failure.empty();
    const bool hides_values = (!is_read && judge_.scope().has_masks()) || sql::touches_masked(judged.analysis);
    if (!sql::has_secrets(text, hides_values)) return text;
    changed = sql::recorded_text(text, hides_values, flow_.mask_key);
    return changed;
}

void SessionImpl::write_parameters(std::string& out, std::span<const wire::Parameter> parameters,
                                   const Judged& judged) const {
    const bool is_hidden = sql::touches_masked(judged.analysis);
    out = "[";
    for (const wire::Parameter& parameter : parameters) {
        if (out.size() > 1) out.push_back(',');
        if (parameter.is_null) {
            out += "null";
        } else if (is_hidden) {
            append_json_string(out, sql::hidden_value(as_text(parameter.value), flow_.mask_key));
        } else if (parameter.is_binary) {
            // An object: never to be taken for a text that the agent sent.
            out += "{\"binary\":";
            append_json_string(out, shown_parameter(parameter));
            out.push_back('}');
        } else {
            append_json_string(out, as_text(parameter.value));
        }
    }
    out.push_back(']');
}

}  // namespace assent::session

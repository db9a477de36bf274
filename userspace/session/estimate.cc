// What the server's planner expects of a command that is about to be held, for its reviewers. Two questions, each asked
// once: whether planning is harmless, then the plan. Without an answer the hold says why there is none.
#include "sql/estimate.h"

#include "base/limits.h"
#include "session/session_impl.h"

namespace assent::session {
namespace {

constexpr std::uint32_t first_made_type = 16384;  // oids below are the server's own

// As the agent bound them: the same values in the same forms.
void add_parameters(sql::Question& question, std::span<const wire::Parameter> parameters) {
    for (const wire::Parameter& parameter : parameters) {
        question.parameters.emplace_back(as_text(parameter.value));
        question.forms.push_back({parameter.type, parameter.is_binary, parameter.is_null});
    }
}

std::size_t size_of(std::span<const wire::Parameter> parameters) {
    std::size_t size = 0;
    for (const wire::Parameter& parameter : parameters) size += parameter.value.size();
    return size;
}

// To bind a value of a type that somebody made may call what checks it.
bool binds_made_types(std::span<const wire::Parameter> parameters) {
    return std::ranges::any_of(parameters, [](const wire::Parameter& one) {
        return one.type >= first_made_type || one.described_type >= first_made_type;
    });
}

}  // namespace

Result<sql::Question> SessionImpl::planning_question(const wire::CommandSeen& command) const {
    const bool has_text = command.kind == wire::CommandKind::query || command.kind == wire::CommandKind::bind;
    if (!has_text || pending_->parsed == nullptr) return fail(Errc::unsupported, "it is not SQL that is sent now");
    if (!command.can_ask) return fail(Errc::unavailable, "the server cannot be asked in this state");
    if (size_of(command.parameters) > limits::statement_size) return fail(Errc::limit, "its values are too long");
    if (binds_made_types(command.parameters)) return fail(Errc::denied, "a value is of a type that was made here");
    return sql::planning_question(*pending_->parsed, pending_->judged->analysis, judge_.catalog());
}

std::optional<wire::Ruling> SessionImpl::estimate(const wire::CommandSeen& command) {
    Pending& pending = *pending_;
    pending.stage = Pending::Stage::estimating;
    switch (pending.planning) {
        case Pending::Planning::fresh: {
            pending.planning = Pending::Planning::is_asked_about;
            auto question = planning_question(command);
            if (question.has_value()) return ask(std::move(*question));
            pending.estimate.why_not = std::move(question.error().message);
            break;
        }
        case Pending::Planning::is_harmless: {
            pending.planning = Pending::Planning::is_asked_for;
            sql::Question question = sql::estimate_question(pending.parsed->text);
            add_parameters(question, command.parameters);
            if (command.can_ask) return ask(std::move(question));
            pending.estimate.why_not = "the server cannot be asked in this state";
            break;
        }
        case Pending::Planning::is_asked_about:
        case Pending::Planning::is_asked_for:  // and no answer came
            pending.estimate.why_not = "the server did not plan it";
            break;
        case Pending::Planning::done:
            break;
    }
    pending.planning = Pending::Planning::done;
    return std::nullopt;
}

void SessionImpl::estimate_answered(const std::vector<sql::Row>& rows) {
    Pending& pending = *pending_;
    if (pending.planning == Pending::Planning::is_asked_about) {
        pending.estimate.why_not = sql::why_not_planned(rows);
        const bool is_harmless = pending.estimate.why_not.empty();
        pending.planning = is_harmless ? Pending::Planning::is_harmless : Pending::Planning::done;
        return;
    }
    auto estimate = sql::read_estimate(rows);
    if (estimate.has_value()) {
        pending.estimate.rows = std::move(*estimate);
    } else {
        pending.estimate.why_not = std::move(estimate.error().message);
    }
    pending.planning = Pending::Planning::done;
}

}  // namespace assent::session

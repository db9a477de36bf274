#include "resolve/forwarder.h"

#include <sys/random.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/limits.h"

namespace assent::resolve {
namespace {

using wire::dns::Code;

// Answers that another resolver may do better than.
bool is_poor(Code code) { return code == Code::server_failure || code == Code::refused || code == Code::not_implemented; }

Result<std::uint16_t> random_id() {
    std::uint16_t id = 0;
    if (::getrandom(&id, sizeof id, 0) != sizeof id) return fail_errno("getrandom", errno);
    return id;
}

}  // namespace

Result<> Forwarder::forward(Job job, Done done) {
    auto& of_agent = of_agent_[job.agent];
    if (pending_.size() >= limits::dns_outstanding || of_agent >= limits::dns_outstanding_per_agent) {
        if (of_agent == 0) of_agent_.erase(job.agent);
        return fail(Errc::limit, "too many queries wait for the host's resolvers");
    }
    ++of_agent;
    const auto number = ++last_number_;
    Pending& pending = pending_[number];
    pending.resolvers = upstreams_.in_order(job.wanted);
    pending.job = std::move(job);
    pending.done = std::move(done);
    pending.ends = clock_.now() + limits::dns_timeout;
    ask_next(number);
    return {};
}

void Forwarder::ask_next(std::uint64_t number) {
    Pending& pending = pending_.at(number);
    stop_asking(pending);
    if (pending.resolvers.empty()) pending.outcome.failure = "this host has no resolvers";
    // A single resolver is asked twice: a datagram may have been lost.
    const std::size_t most = pending.resolvers.empty() ? 0 : std::max<std::size_t>(2, pending.resolvers.size());
    while (pending.attempts < most && clock_.now() < pending.ends) {
        ++pending.attempts;
        const auto started = ask(number, pending);
        if (started) return;
        upstreams_.failed(resolver_of(pending), started.error().message);
        pending.outcome.failure = started.error().message;
    }
    finish(number);
}

Result<> Forwarder::ask(std::uint64_t number, Pending& pending) {
    const auto id = random_id();
    if (!id) return std::unexpected(id.error());
    pending.id = *id;
    upstreams_.asked(resolver_of(pending));
    auto started =
        Exchange::start(resolver_of(pending), pending.job.is_tcp, wire::dns::to_resolver(pending.job.query, pending.id));
    if (!started) return std::unexpected(started.error());
    pending.exchange = std::move(*started);
    const auto watched = poller_.add(pending.exchange.descriptor(), pending.exchange.events(),
                                     [this, number](std::uint32_t) { ready(number); });
    if (!watched) return std::unexpected(watched.error());
    pending.watched = *watched;
    pending.asked_at = clock_.now();
    pending.attempt_ends = std::min(pending.ends, pending.asked_at + limits::dns_attempt_timeout);
    return {};
}

void Forwarder::ready(std::uint64_t number) {
    const auto found = pending_.find(number);
    if (found == pending_.end()) return;
    Pending& pending = found->second;
    while (true) {
        auto message = pending.exchange.ready();
        if (!message) return attempt_failed(number, message.error().message);
        if (message->empty()) break;
        if (wire::dns::is_answer_to(pending.job.query, pending.id, *message))
            return take(number, pending, std::move(*message));
        if (pending.job.is_tcp) return attempt_failed(number, "its answer is to another question");
        // Over UDP somebody may be guessing; the true answer is still to come.
    }
    poller_.change(pending.watched, pending.exchange.events());
}

void Forwarder::take(std::uint64_t number, Pending& pending, ByteVector message) {
    upstreams_.answered(resolver_of(pending), clock_.now() - pending.asked_at);
    const bool is_better = pending.outcome.answer.empty() || !is_poor(wire::dns::code_of(message));
    if (is_better) pending.outcome = {std::move(message), resolver_of(pending), {}};
    const bool may_do_better =
        is_poor(wire::dns::code_of(pending.outcome.answer)) && pending.attempts < pending.resolvers.size();
    if (may_do_better) return ask_next(number);
    finish(number);
}

void Forwarder::attempt_failed(std::uint64_t number, std::string_view why) {
    Pending& pending = pending_.at(number);
    upstreams_.failed(resolver_of(pending), why);
    pending.outcome.failure = fmt::format("{}: {}", resolver_of(pending).to_text(), why);
    ask_next(number);
}

void Forwarder::stop_asking(Pending& pending) {
    if (pending.watched != 0) poller_.remove(pending.watched);
    pending.watched = 0;
    pending.exchange = Exchange();
}

void Forwarder::finish(std::uint64_t number) {
    const auto found = pending_.find(number);
    if (found == pending_.end()) return;
    stop_asking(found->second);
    Pending ended = std::move(found->second);
    pending_.erase(found);
    const auto agent = of_agent_.find(ended.job.agent);
    if (agent != of_agent_.end() && --agent->second == 0) of_agent_.erase(agent);
    ended.done(ended.job.query, ended.outcome);
}

void Forwarder::look_after() {
    const auto now = clock_.now();
    std::vector<std::uint64_t> late;
    for (const auto& [number, pending] : pending_)
        if (pending.attempt_ends <= now) late.push_back(number);
    for (const auto number : late) attempt_failed(number, "no answer in time");
}

void Forwarder::abandon() {
    for (auto& [number, pending] : pending_) stop_asking(pending);
    pending_.clear();
    of_agent_.clear();
}

}  // namespace assent::resolve

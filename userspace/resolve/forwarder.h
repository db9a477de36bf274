// Passes queries on to the host's resolvers: one after the other until one answers, each for a bounded time.
// Thread: one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "resolve/exchange.h"
#include "resolve/poller.h"
#include "resolve/upstreams.h"
#include "wire/dns/query.h"

namespace assent::resolve {

class Forwarder {
public:
    struct Job {
        wire::dns::Query query;
        std::string agent;       // whose it is, for its share of what may be outstanding
        model::Endpoint wanted;  // the resolver that the agent asked: it comes first if it is one of the host's
        bool is_tcp = false;     // as the agent asks, so is asked: only then no answer is too long
    };
    struct Outcome {
        ByteVector answer;         // as the resolver sent it; empty: there is none
        model::Endpoint resolver;  // who answered
        std::string failure;
    };
    using Done = std::function<void(const wire::dns::Query&, const Outcome&)>;

    Forwarder(Poller& poller, Upstreams& upstreams, const Clock& clock)
        : poller_(poller), upstreams_(upstreams), clock_(clock) {}

    // Calls `done` once, perhaps before it returns. Errc::limit: too many are outstanding, of the agent or in all.
    [[nodiscard]] Result<> forward(Job job, Done done);
    // Gives up what has waited too long; call it often.
    void look_after();
    [[nodiscard]] std::size_t outstanding() const noexcept { return pending_.size(); }
    // Forgets everything; nobody is told.
    void abandon();

private:
    struct Pending {
        Job job;
        Done done;
        std::uint16_t id = 0;
        std::vector<model::Endpoint> resolvers;
        std::size_t attempts = 0;
        Exchange exchange;
        std::uint64_t watched = 0;  // of the poller; 0: nothing is under way
        Moment asked_at;
        Moment attempt_ends;
        Moment ends;
        Outcome outcome;  // the best so far
    };
    [[nodiscard]] const model::Endpoint& resolver_of(const Pending& pending) const {
        return pending.resolvers[(pending.attempts - 1) % pending.resolvers.size()];
    }
    void ask_next(std::uint64_t number);
    [[nodiscard]] Result<> ask(std::uint64_t number, Pending& pending);
    void ready(std::uint64_t number);
    void take(std::uint64_t number, Pending& pending, ByteVector message);
    void attempt_failed(std::uint64_t number, std::string_view why);
    void stop_asking(Pending& pending);
    void finish(std::uint64_t number);

    Poller& poller_;
    Upstreams& upstreams_;
    const Clock& clock_;
    std::uint64_t last_number_ = 0;
    std::unordered_map<std::uint64_t, Pending> pending_;  // at most limits::dns_outstanding
    std::unordered_map<std::string, std::size_t> of_agent_;
};

}  // namespace assent::resolve

// What may leave the host in the names that agents ask for. A name of the agent's own choosing carries data to whoever
// answers for its domain; nothing can tell all such names from others, so that what they carry is bounded: the types of
// records, the length of a name, what of it looks random, and how many different ones an agent may ask for.
// Names of targets are no concern of this. Thread: one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/time.h"
#include "policy/dns_settings.h"
#include "wire/dns/query.h"

namespace assent::resolve {

class NameLimits {
public:
    explicit NameLimits(policy::DnsSettings settings) : settings_(std::move(settings)) {}

    // Why a query for a name that is no target's is refused; nothing: it may be passed on, and counts.
    [[nodiscard]] std::optional<wire::dns::ExtendedError> judge(const std::string& agent, const wire::dns::Query& query,
                                                                Moment now);

private:
    struct Agent {
        Moment minute;  // when the count began
        std::uint32_t queries = 0;
        Moment hour;
        std::unordered_set<std::string> names;                   // of this hour, at most names_per_hour
        std::unordered_map<std::string, std::uint32_t> domains;  // how many of them are below each
    };
    [[nodiscard]] std::optional<wire::dns::ExtendedError> judge_form(const wire::dns::Query& query) const;
    [[nodiscard]] std::optional<wire::dns::ExtendedError> judge_count(Agent& agent, const wire::dns::Query& query,
                                                                      Moment now) const;
    [[nodiscard]] Agent* agent_of(const std::string& key, Moment now);

    policy::DnsSettings settings_;
    std::unordered_map<std::string, Agent> agents_;  // at most limits::dns_agents
};

// Bits of information a character, by how often each occurs in the text itself (Shannon).
[[nodiscard]] double entropy_of(std::string_view text);

// The domain whose names share a budget: the last two labels, of reverse names as many as stand for a network. Where public
// suffixes are longer (co.uk) all of their names share one, which is less than each could have.
[[nodiscard]] std::string domain_of(const std::vector<std::string>& labels);

}  // namespace assent::resolve

#include "resolve/name_limits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ranges>

#include <fmt/format.h>

#include "base/limits.h"
#include "model/dns_type.h"

namespace assent::resolve {
namespace {

using namespace std::chrono_literals;
using wire::dns::ExtendedError;
namespace info_code = wire::dns::info_code;

// A label of fewer characters, or with less information in each, is a word, or holds little.
constexpr std::size_t least_random_size = 16;
constexpr double least_random_entropy = 3.5;

ExtendedError blocked(std::string why) { return {info_code::blocked, "assent: " + std::move(why)}; }

bool looks_random(std::string_view label) {
    return label.size() >= least_random_size && entropy_of(label) >= least_random_entropy;
}

bool is_plain(std::string_view label) {
    return std::ranges::all_of(
        label, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '/'; });
}

}  // namespace

double entropy_of(std::string_view text) {
    std::array<std::size_t, 256> counts{};
    for (const char c : text) ++counts[static_cast<unsigned char>(c)];
    double bits = 0;
    for (const auto count : counts) {
        if (count == 0) continue;
        const double share = static_cast<double>(count) / static_cast<double>(text.size());
        bits -= share * std::log2(share);
    }
    return bits;
}

std::string domain_of(const std::vector<std::string>& labels) {
    std::size_t size = 2;
    if (labels.size() > 2 && labels.back() == "arpa") {
        if (labels[labels.size() - 2] == "in-addr") size = 4;  // a /16
        if (labels[labels.size() - 2] == "ip6") size = 10;     // a /32
    }
    std::string out;
    for (const auto& label : labels | std::views::drop(labels.size() - std::min(size, labels.size()))) {
        if (!out.empty()) out.push_back('.');
        out += label;
    }
    return out;
}

std::optional<ExtendedError> NameLimits::judge_form(const wire::dns::Query& query) const {
    if (settings_.refuses_unlisted) return blocked("no target has this name, and dns.unlisted is refuse");
    if (std::ranges::find(settings_.types, query.type) == settings_.types.end())
        return ExtendedError{info_code::prohibited,
                             fmt::format("assent: {} is not among dns.types", model::dns_type::name_of(query.type))};
    if (query.name.size() > settings_.longest_name)
        return blocked(fmt::format("the name is longer than dns.names.longest, {}", settings_.longest_name));
    if (!std::ranges::all_of(query.labels, is_plain)) return blocked("the name is not one of a host");
    std::size_t random = 0;
    for (const auto& label : query.labels)
        if (looks_random(label)) random += label.size();
    if (random > settings_.random_characters)
        return blocked(fmt::format("more of the name looks random than dns.names.random, {}", settings_.random_characters));
    return std::nullopt;
}

std::optional<ExtendedError> NameLimits::judge_count(Agent& agent, const wire::dns::Query& query, Moment now) const {
    if (now - agent.minute >= 1min) {
        agent.minute = now;
        agent.queries = 0;
    }
    if (now - agent.hour >= 1h) {
        agent.hour = now;
        agent.names.clear();
        agent.domains.clear();
    }
    if (agent.queries >= settings_.queries_per_minute)
        return blocked(fmt::format("more queries a minute than dns.queries.per_minute, {}", settings_.queries_per_minute));
    ++agent.queries;
    if (agent.names.contains(query.name)) return std::nullopt;
    if (agent.names.size() >= settings_.names_per_hour)
        return blocked(fmt::format("more names an hour than dns.names.per_hour, {}", settings_.names_per_hour));
    auto& below = agent.domains[domain_of(query.labels)];
    if (below >= settings_.names_per_domain)
        return blocked(
            fmt::format("more names an hour of one domain than dns.names.per_domain, {}", settings_.names_per_domain));
    ++below;
    agent.names.insert(query.name);
    return std::nullopt;
}

NameLimits::Agent* NameLimits::agent_of(const std::string& key, Moment now) {
    if (const auto found = agents_.find(key); found != agents_.end()) return &found->second;
    // Who goes must have its budgets again anyway.
    if (agents_.size() >= limits::dns_agents)
        std::erase_if(agents_, [&](const auto& entry) { return now - entry.second.hour >= 1h; });
    if (agents_.size() >= limits::dns_agents) return nullptr;
    Agent made;
    made.minute = made.hour = now;
    return &agents_.emplace(key, std::move(made)).first->second;
}

std::optional<ExtendedError> NameLimits::judge(const std::string& agent, const wire::dns::Query& query, Moment now) {
    if (auto refused = judge_form(query)) return refused;
    Agent* known = agent_of(agent, now);
    if (known == nullptr) return blocked("too many agents ask at once");
    return judge_count(*known, query, now);
}

}  // namespace assent::resolve

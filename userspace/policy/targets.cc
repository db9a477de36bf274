#include "policy/targets.h"

#include <algorithm>

namespace assent::policy {
namespace {

bool is_in(const model::IpAddress& address, const model::IpAddress& network, unsigned prefix_bits) {
    if (address.is_v6 != network.is_v6) return false;
    for (unsigned bit = 0; bit < prefix_bits; bit += 8) {
        const unsigned rest = std::min(8U, prefix_bits - bit);
        const auto mask = static_cast<std::uint8_t>(0xFF00U >> rest);
        if (((address.bytes[bit / 8] ^ network.bytes[bit / 8]) & mask) != 0) return false;
    }
    return true;
}

// How well the target's address fits: 0 not at all, more is narrower. A name is narrower than any network, and an address
// that is written out is narrower than a name, because no DNS answer can change it.
unsigned fit(const TargetAddress& address, const model::Endpoint& endpoint, const NameLookup& names) {
    if (endpoint.is_unix() || !address.unix_name.empty()) return address.unix_name == endpoint.unix_name ? 1 : 0;
    if (address.port != endpoint.port) return 0;
    const unsigned full = endpoint.address.bit_count();
    if (!address.network) {
        // Credentials may go there in the clear, so no answer of a resolver moves it to another host.
        if (address.host == "localhost" && !endpoint.address.is_loopback()) return 0;
        return names.leads_to(address.host, endpoint.address) ? full + 1 : 0;
    }
    if (!is_in(endpoint.address, *address.network, address.prefix_bits)) return 0;
    return address.prefix_bits == full ? full + 2 : address.prefix_bits + 1;
}

bool is_below_slice(std::string_view cgroup_path, const Glob& slice) {
    std::size_t start = 0;
    while (start < cgroup_path.size()) {
        const std::size_t end = std::min(cgroup_path.find('/', start), cgroup_path.size());
        const std::string_view component = cgroup_path.substr(start, end - start);
        if (component.ends_with(".slice") && slice.matches(component)) return true;
        start = end + 1;
    }
    return false;
}

// The cgroup itself, or one that it is in.
bool is_in_cgroup(std::string_view cgroup_path, const Glob& pattern) {
    for (auto path = cgroup_path; path.size() > 1; path = path.substr(0, path.rfind('/')))
        if (pattern.matches(path)) return true;
    return false;
}

bool may_run_as(const AgentItem& item, std::string_view runner) {
    if (item.runners) return item.runners->has(runner);
    return runner == "root";  // nobody was named: only who could do it anyway
}

bool is_one(const AgentItem& item, const model::Agent& agent) {
    if (item.unit && (agent.unit.empty() || !item.unit->matches(agent.unit))) return false;
    if (item.exe && (agent.exe.empty() || !item.exe->matches(agent.exe))) return false;
    if (item.slice && !is_below_slice(agent.cgroup_path, *item.slice)) return false;
    if (item.cgroup && !is_in_cgroup(agent.cgroup_path, *item.cgroup)) return false;
    if (item.run && (agent.run_name.empty() || !item.run->matches(agent.run_name) || !may_run_as(item, agent.runner)))
        return false;
    if (item.token && !item.token->matches(agent)) return false;
    return item.unit || item.exe || item.slice || item.cgroup || item.run || item.token;
}

}  // namespace

const Target* find_target(const std::vector<Target>& targets, const model::Endpoint& endpoint, const NameLookup& names) {
    const Target* best = nullptr;
    unsigned best_fit = 0;
    // Two names of different targets that lead to one address: the first by name, so that every flow is judged the same.
    for (const Target& target : targets) {
        for (const TargetAddress& address : target.addresses) {
            const unsigned found = fit(address, endpoint, names);
            if (found <= best_fit) continue;
            best = &target;
            best_fit = found;
        }
    }
    return best;
}

std::vector<std::string> find_agents(const PolicyContent& content, const model::Agent& agent) {
    std::vector<std::string> out;
    for (const auto& [name, items] : content.agents) {
        if (std::any_of(items.begin(), items.end(), [&](const AgentItem& item) { return is_one(item, agent); }))
            out.push_back(name);
    }
    return out;
}

bool may_claim(const PolicyContent& content, std::string_view run_name, std::string_view runner) {
    if (run_name.empty()) return false;
    return std::any_of(content.agents.begin(), content.agents.end(), [&](const auto& set) {
        return std::any_of(set.second.begin(), set.second.end(), [&](const AgentItem& item) {
            return item.run && item.run->matches(run_name) && may_run_as(item, runner);
        });
    });
}

}  // namespace assent::policy

#include "app/lookups.h"

#include <algorithm>

#include "base/json_writer.h"
#include "model/dns_type.h"
#include "resolve/agent_key.h"

namespace assent::app {

std::vector<std::string> hosts_of(const policy::Policy& policy) {
    std::vector<std::string> hosts;
    for (const auto& target : policy.targets()) {
        for (const auto& address : target.addresses) {
            if (!address.host.empty()) hosts.push_back(address.host);
        }
    }
    std::sort(hosts.begin(), hosts.end());
    hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
    return hosts;
}

NamesOfAgent::NamesOfAgent(const resolve::LearnedNames& learned, const model::Agent& agent)
    : learned_(learned), agent_(resolve::agent_key(agent.cgroup_path)) {}

Result<std::unique_ptr<Lookups>> Lookups::make(Parts parts) {
    std::unique_ptr<Lookups> out(new Lookups(std::move(parts)));
    Lookups* self = out.get();
    auto resolver = resolve::Resolver::make({
        .settings = self->parts_.settings,
        .names = self->parts_.names,
        .clock = system_clock(),
        .sender_of = [self](const model::Endpoint& source, std::uint16_t port,
                            std::uint64_t network) -> Result<resolve::Sender> {
            auto origin = self->parts_.redirect.sender_of(source, port, network);
            if (!origin) return std::unexpected(origin.error());
            return self->sender_of(*origin);
        },
        .target_host = [self](std::string_view name) { return self->target_host(name); },
        .upstreams = [self] { return self->upstreams(); },
        .may_record = [self] { return self->parts_.records.is_available() && !self->kept_.is_over_limit(); },
        .record = [self](const resolve::Lookup& lookup) { self->record(lookup); },
        .every_second = [self] { self->every_second(); },
    });
    if (!resolver) return std::unexpected(resolver.error());
    out->resolver_ = std::move(*resolver);
    return out;
}

std::vector<model::Endpoint> Lookups::upstreams() const {
    if (!parts_.settings.resolvers.empty()) return parts_.settings.resolvers;
    std::vector<model::Endpoint> out;
    for (const auto& address : kernel::host_resolvers()) out.push_back({address, 53});
    return out;
}

void Lookups::set_policy(const policy::Policy& policy) {
    std::map<std::string, std::string, std::less<>> hosts;
    const auto domains = kernel::host_search_domains();
    for (const auto& host : hosts_of(policy)) {
        const std::string name = resolve::plain_name(host);
        hosts.emplace(name, host);
        // The C library asks for a short name in each of these.
        if (name.find('.') != std::string::npos) continue;
        for (const auto& domain : domains) hosts.emplace(name + "." + resolve::plain_name(domain), host);
    }
    const std::lock_guard lock(mutex_);
    hosts_ = std::move(hosts);
}

std::string Lookups::target_host(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const auto found = hosts_.find(name);
    return found == hosts_.end() ? std::string() : found->second;
}

void Lookups::serve(Fd connection, const kernel::Origin& origin) {
    resolver_->serve(std::move(connection), sender_of(origin));
}

resolve::Sender Lookups::sender_of(const kernel::Origin& origin) const {
    return {origin.agent, origin.asked_for, parts_.why_refused(origin.agent)};
}

// What left the host in a name of the agent's own choosing is recorded always: there is a bound to that already.
bool Lookups::is_admitted(const resolve::Lookup& lookup) {
    if (lookup.refused.empty() && lookup.target.empty()) return true;
    const auto agent = resolve::agent_key(lookup.sender->agent.cgroup_path);
    if (admitted_.admits(std::hash<std::string>{}(agent), std::chrono::steady_clock::now())) return true;
    if (left_out_.size() < limits::dns_agents || left_out_.contains(agent)) ++left_out_[agent];
    return false;
}

void Lookups::record(const resolve::Lookup& lookup) {
    if (!is_admitted(lookup)) return;
    model::Agent agent = lookup.sender->agent;
    parts_.complete_agent(agent);
    std::string members;
    JsonWriter writer(members);
    writer.member("name", lookup.name);
    if (lookup.type != 0) writer.member("question", model::dns_type::name_of(lookup.type));
    writer.member("transport", lookup.is_tcp ? "tcp" : "udp");
    writer.member("agent", agent.name()).member("cgroup", agent.cgroup_path).member("cgroup_id", agent.cgroup_id);
    writer.member("pid", agent.pid).member("uid", agent.uid).member("exe", agent.exe).member("comm", agent.comm);
    if (agent.network != 0) writer.member("network", agent.network);
    writer.member("asked", lookup.sender->asked.to_text()).member("listed", !lookup.target.empty());
    if (!lookup.answered_by.empty()) writer.member("resolver", lookup.answered_by);
    if (!lookup.code.empty()) writer.member("code", lookup.code);
    writer.strings("addresses", lookup.addresses);
    if (!lookup.refused.empty()) writer.member("refused", lookup.refused);
    if (!lookup.failure.empty()) writer.member("failure", lookup.failure);
    append(members);
}

void Lookups::append(const std::string& members) {
    const model::RecordDraft draft{model::record_type::lookup, {}, members, {}, false};
    if (!kept_.retry(parts_.records) || !parts_.records.append(draft)) kept_.add(draft, system_clock().wall());
}

void Lookups::every_second() {
    const auto status = resolver_->status();
    const auto unread = status.left_out + status.unknown;
    auto unnamed = admitted_.take_left_out() + unread - left_out_before_;
    left_out_before_ = unread;
    kept_.retry(parts_.records);
    std::string members;
    for (const auto& [cgroup, count] : left_out_) {
        members.clear();
        JsonWriter(members).member("left_out", count).member("cgroup", cgroup);
        append(members);
        unnamed -= count;
    }
    left_out_.clear();
    if (unnamed == 0) return;
    members.clear();
    JsonWriter(members).member("left_out", unnamed);
    append(members);
}

nlohmann::json Lookups::describe() const {
    const auto status = resolver_->status();
    auto upstreams = nlohmann::json::array();
    for (const auto& one : status.upstreams) {
        upstreams.push_back({{"address", one.address.to_text()},
                             {"is_healthy", one.is_healthy()},
                             {"asked", one.asked},
                             {"answered", one.answered},
                             {"failed", one.failed},
                             {"last_time_us", one.last_time_us},
                             {"last_failure", one.last_failure}});
    }
    return {{"queries", status.queries},
            {"forwarded", status.forwarded},
            {"refused", status.refused},
            {"failed", status.failed},
            {"unknown", status.unknown},
            {"left_out", status.left_out},
            {"outstanding", status.outstanding},
            {"connections", status.connections},
            {"unlisted", parts_.settings.refuses_unlisted ? "refuse" : "forward"},
            {"resolvers", std::move(upstreams)}};
}

}  // namespace assent::app

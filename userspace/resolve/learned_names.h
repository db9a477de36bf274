// Which addresses a host name leads to: for each agent what it was told, and for all of them what the daemon found out
// itself about the names that policies use. Thread: any, but resolve_now() blocks.
#pragma once

#include <cstdint>
#include <map>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/address.h"

namespace assent::resolve {

// Names of one agent, or of the daemon. When it is full the name that expires first goes, but no kept one.
class NameTable {
public:
    explicit NameTable(std::size_t most) : most_(most) {}

    // `name` as plain_name() gives it.
    void add(const std::string& name, const model::IpAddress& address, Moment until, Moment now, bool is_kept);
    [[nodiscard]] bool leads_to(const std::string& name, const model::IpAddress& address, Moment now) const;
    [[nodiscard]] std::size_t size() const { return names_.size(); }

private:
    struct Name {
        std::map<model::IpAddress, Moment> addresses;  // until when
        bool is_kept = false;
    };
    void make_room(Moment now);

    std::size_t most_;
    std::map<std::string, Name> names_;
};

class LearnedNames {
public:
    // An answer is believed for its TTL, but at least and at most so long: agents keep addresses longer than they should.
    static constexpr auto least_life = std::chrono::minutes(5);
    static constexpr auto longest_life = std::chrono::hours(24);

    explicit LearnedNames(const Clock& clock);

    // This agent (see agent_key()) was told that the name has this address. Names of targets are not pushed out by others.
    void learn(std::string_view agent, std::string_view name, const model::IpAddress& address, std::uint32_t ttl_seconds,
               bool is_of_target);

    // The agent, or the daemon, knows that the name leads to this address now. Names are compared without case and trailing
    // dot.
    [[nodiscard]] bool leads_to(std::string_view agent, std::string_view host, const model::IpAddress& address) const;
    // How many names are known of an agent.
    [[nodiscard]] std::size_t size(std::string_view agent) const;

    // Looks the names up as any program on this host would (/etc/hosts, resolvers); the addresses hold for every agent, and
    // are kept for `life`, so call it again before that. Gives the names that could not be resolved, with the resolver's
    // reason. Blocks for as long as the resolvers take: never call it on a flow's thread.
    std::vector<std::string> resolve_now(std::span<const std::string> names, std::chrono::seconds life = least_life);

private:
    struct Agent {
        NameTable names;
        Moment last_learned;
    };
    [[nodiscard]] NameTable& table_of(std::string_view agent, Moment now);

    const Clock& clock_;
    mutable std::shared_mutex mutex_;
    NameTable own_;
    std::unordered_map<std::string, Agent> agents_;  // at most limits::dns_agents; the one that learned nothing longest goes
};

// In lower case, without trailing dots.
[[nodiscard]] std::string plain_name(std::string_view name);

}  // namespace assent::resolve

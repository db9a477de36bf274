// Which addresses a host name leads to: learned from the answers that agents got from the host's resolvers, and from the
// daemon's own look-ups of the names that policies use. Thread: any, but resolve_now() blocks.
#pragma once

#include <cstdint>
#include <map>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/address.h"

namespace assent::kernel {

class LearnedNames {
public:
    // An answer is believed for its TTL, but at least and at most so long: agents keep addresses longer than they should.
    static constexpr auto least_life = std::chrono::minutes(5);
    static constexpr auto longest_life = std::chrono::hours(24);

    explicit LearnedNames(const Clock& clock) : clock_(clock) {}

    // Adds to what is known of `name`. When limits::learned_names are known, the one that expires first goes, but never one
    // that resolve_now() was asked for: agents cannot push out the names of targets by asking for many others.
    void learn(std::string_view name, const model::IpAddress& address, std::uint32_t ttl_seconds);

    // The name is known to lead to this address now. Names are compared without case and trailing dot.
    [[nodiscard]] bool leads_to(std::string_view host, const model::IpAddress& address) const;
    // Every known name of the address, in order.
    [[nodiscard]] std::vector<std::string> names_of(const model::IpAddress& address) const;
    [[nodiscard]] std::vector<model::IpAddress> addresses_of(std::string_view host) const;
    [[nodiscard]] std::size_t size() const;

    // Looks the names up as any program on this host would (/etc/hosts, resolvers) and learns the addresses; they are kept
    // for `life`, so call it again before that. Gives the names that could not be resolved, with the resolver's reason.
    // Blocks for as long as the resolvers take: never call it on a flow's thread.
    std::vector<std::string> resolve_now(std::span<const std::string> names, std::chrono::seconds life = least_life);

private:
    struct Name {
        std::map<model::IpAddress, Moment> addresses;  // until when
        bool is_wanted = false;                        // by resolve_now()
    };
    void add(std::string_view name, const model::IpAddress& address, Duration life, bool is_wanted);
    void make_room(Moment now);

    const Clock& clock_;
    mutable std::shared_mutex mutex_;
    std::map<std::string, Name, std::less<>> names_;
};

}  // namespace assent::kernel

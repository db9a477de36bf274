// Agents' lookups of names: the resolver that answers them, with what it needs of the daemon, and the record of each.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/rate_limit.h"
#include "base/limits.h"
#include "kernel/redirect.h"
#include "model/kept_records.h"
#include "model/record.h"
#include "policy/policy.h"
#include "resolve/resolver.h"

namespace assent::app {

class Lookups {
public:
    struct Parts {
        const policy::DnsSettings& settings;  // all of them live longer
        const kernel::Redirect& redirect;
        resolve::LearnedNames& names;
        model::RecordSink& records;
        std::function<void(model::Agent&)> complete_agent;  // adds what is known of its run
        // Why this host cannot contain the agent, so that nothing of it is passed on; empty: it can.
        std::function<std::string(const model::Agent&)> why_refused;
    };
    [[nodiscard]] static Result<std::unique_ptr<Lookups>> make(Parts parts);
    ~Lookups() { stop(); }
    Lookups(const Lookups&) = delete;
    Lookups& operator=(const Lookups&) = delete;

    // A bound UDP socket of the proxy; before start().
    [[nodiscard]] Result<> listen(Fd socket) { return resolver_->listen(std::move(socket)); }
    // Thread: any; the next two.
    void listen_in(std::uint64_t network, std::vector<Fd> sockets) { resolver_->listen_in(network, std::move(sockets)); }
    void leave(std::uint64_t network) { resolver_->leave(network); }
    void start() { resolver_->start(); }
    void release() { resolver_->release(); }  // as Resolver::release
    [[nodiscard]] bool is_released() const noexcept { return resolver_->is_released(); }
    void stop() { resolver_->stop(); }

    // Thread: any.
    void set_policy(const policy::Policy& policy);
    // A connection to some resolver's port 53.
    void serve(Fd connection, const kernel::Origin& origin);
    [[nodiscard]] nlohmann::json describe() const;  // for `status`
    // After stop(): how many records the log did not take.
    [[nodiscard]] std::size_t kept_count() const noexcept { return kept_.count(); }

private:
    explicit Lookups(Parts parts) : parts_(std::move(parts)) {}
    [[nodiscard]] std::vector<model::Endpoint> upstreams() const;
    [[nodiscard]] std::string target_host(std::string_view name) const;
    [[nodiscard]] resolve::Sender sender_of(const kernel::Origin& origin) const;
    void record(const resolve::Lookup& lookup);
    [[nodiscard]] bool is_admitted(const resolve::Lookup& lookup);
    void append(const std::string& members);
    void every_second();

    Parts parts_;
    model::KeptRecords kept_{limits::records_kept};  // the resolver's thread only, as are the next three
    RateLimit admitted_{20, 400};
    std::map<std::string, std::uint64_t> left_out_;  // cgroups whose lookups were not recorded, how many
    std::uint64_t left_out_before_ = 0;
    mutable std::mutex mutex_;
    std::map<std::string, std::string, std::less<>> hosts_;  // names as they are asked for → hosts as targets have them
    std::unique_ptr<resolve::Resolver> resolver_;
};

// The hosts of a policy's targets, without those that are addresses.
[[nodiscard]] std::vector<std::string> hosts_of(const policy::Policy& policy);

// For policies that say names: what one agent was told, and what the daemon knows itself.
class NamesOfAgent final : public policy::NameLookup {
public:
    NamesOfAgent(const resolve::LearnedNames& learned, const model::Agent& agent);
    [[nodiscard]] bool leads_to(std::string_view host, const model::IpAddress& address) const override {
        return learned_.leads_to(agent_, host, address);
    }

private:
    const resolve::LearnedNames& learned_;
    std::string agent_;
};

}  // namespace assent::app

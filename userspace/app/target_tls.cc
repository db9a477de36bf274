#include "app/target_tls.h"

#include <algorithm>

namespace assent::app {
namespace {

constexpr std::size_t contexts_maximum = 256;
constexpr std::size_t names_maximum = 32;  // of one certificate

// The name that the target's certificate must have: what the policy says, else the host that it gives for this port, else
// the address. Never what the agent says.
std::string expected_name(const policy::Target& target, const model::Endpoint& asked_for) {
    if (!target.tls_name.empty()) return target.tls_name;
    for (const auto& address : target.addresses) {
        if (!address.host.empty() && address.port == asked_for.port) return address.host;
    }
    return asked_for.address.to_text();
}

}  // namespace

Result<std::shared_ptr<tls::Context>> TargetTls::towards_agent(const policy::Target& target,
                                                               const model::Endpoint& asked_for) const {
    std::vector<std::string> names;
    for (const auto& address : target.addresses) {
        const bool is_new = std::find(names.begin(), names.end(), address.host) == names.end();
        if (!address.host.empty() && is_new && names.size() < names_maximum) names.push_back(address.host);
    }
    names.push_back(asked_for.address.to_text());
    if (asked_for.address.is_loopback()) names.emplace_back("localhost");
    return tls::server_context(folder_, names);
}

Result<std::shared_ptr<tls::Context>> TargetTls::towards_target(const policy::Target& target,
                                                                const model::Endpoint& asked_for) {
    if (target.tls == policy::UpstreamTls::disable) return std::shared_ptr<tls::Context>();
    const bool verifies = target.tls == policy::UpstreamTls::verify_full;
    const std::string name = expected_name(target, asked_for);
    const Key key{verifies, target.tls_ca.string(), name};
    if (const auto found = contexts_.find(key); found != contexts_.end()) return found->second;
    auto context = tls::client_context(verifies, target.tls_ca, name);
    if (!context) return context;
    if (contexts_.size() >= contexts_maximum) contexts_.clear();
    contexts_[key] = *context;
    return context;
}

}  // namespace assent::app

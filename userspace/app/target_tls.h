// TLS of flows: a certificate for what agents call a target, and how a target's own is checked. Contexts are made once and
// kept; a policy swap forgets them. Thread: its worker's.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "model/address.h"
#include "policy/policy.h"
#include "tls/tls.h"

namespace assent::app {

class TargetTls {
public:
    explicit TargetTls(std::filesystem::path folder) : folder_(std::move(folder)) {}

    [[nodiscard]] Result<std::shared_ptr<tls::Context>> towards_agent(const policy::Target& target,
                                                                      const model::Endpoint& asked_for) const;
    // nullptr: the target is spoken to in the clear.
    [[nodiscard]] Result<std::shared_ptr<tls::Context>> towards_target(const policy::Target& target,
                                                                       const model::Endpoint& asked_for);
    void forget() { contexts_.clear(); }

private:
    using Key = std::tuple<bool, std::string, std::string>;  // verifies, ca, name
    std::filesystem::path folder_;
    std::map<Key, std::shared_ptr<tls::Context>> contexts_;
};

}  // namespace assent::app

// Which session a cancel key belongs to. Agents are told keys that assent made; the target's own are known here only.
// Thread: any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "model/address.h"
#include "model/agent.h"
#include "tls/tls.h"

namespace assent::app {

// The worker of a session that is to be cancelled.
class CancelOwner {
public:
    virtual ~CancelOwner() = default;
    // `answered` hears on the owner's thread whether the session took a held command back. Thread: any; must only post.
    virtual void cancel_session(const std::string& session, std::function<void(bool was_held)> answered) = 0;
};

struct CancelKey {
    CancelOwner* owner = nullptr;
    std::string session;
    std::string agent;  // name
    std::uint64_t cgroup_id = 0;
    uid_t uid = 0;
    model::Endpoint target;
    std::shared_ptr<tls::Context> tls;  // null: in the clear
    std::uint32_t process = 0;          // the target's
    std::uint32_t secret = 0;

    // Only the agent itself cancels: the same cgroup, or the same agent as the same user.
    [[nodiscard]] bool is_of(const model::Agent& other) const {
        return cgroup_id == other.cgroup_id || (!agent.empty() && agent == other.name() && uid == other.uid);
    }
};

class CancelKeys {
public:
    // Gives the secret to tell the agent, never 0.
    [[nodiscard]] std::uint32_t add(const CancelKey& key);
    [[nodiscard]] std::optional<CancelKey> find(std::uint32_t process, std::uint32_t secret) const;
    void remove(std::uint32_t secret);

private:
    mutable std::mutex mutex_;
    std::unordered_map<std::uint32_t, CancelKey> keys_;  // by the secret that the agent was told
};

}  // namespace assent::app

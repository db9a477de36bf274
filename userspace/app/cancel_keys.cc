#include "app/cancel_keys.h"

#include "base/digest.h"

namespace assent::app {

std::uint32_t CancelKeys::add(const CancelKey& key) {
    const std::lock_guard lock(mutex_);
    while (true) {
        std::uint32_t secret = 0;
        fill_random(std::as_writable_bytes(std::span(&secret, 1)));
        if (secret != 0 && keys_.try_emplace(secret, key).second) return secret;
    }
}

std::optional<CancelKey> CancelKeys::find(std::uint32_t process, std::uint32_t secret) const {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(secret);
    if (found == keys_.end() || found->second.process != process) return std::nullopt;
    return found->second;
}

void CancelKeys::remove(std::uint32_t secret) {
    const std::lock_guard lock(mutex_);
    keys_.erase(secret);
}

}  // namespace assent::app

#include "kernel/network_maps.h"

#include <cerrno>
#include <chrono>

#include <bpf/bpf.h>

namespace assent::kernel {
namespace {

std::uint64_t monotonic_ns(Duration later) {
    const auto when = std::chrono::steady_clock::now().time_since_epoch() + later;
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(when).count());
}

}  // namespace

Result<> NetworkMaps::mark(int socket) const {
    const std::uint32_t is_ours = 1;
    if (bpf_map_update_elem(doors_, &socket, &is_ours, BPF_ANY) != 0)
        return fail_errno("marking a listener as the daemon's", errno);
    return {};
}

void NetworkMaps::beat() const {
    const std::uint32_t zero = 0;
    const auto now = monotonic_ns(Duration::zero());
    static_cast<void>(bpf_map_update_elem(heartbeat_, &zero, &now, BPF_ANY));
}

void NetworkMaps::refuse(std::uint64_t cookie, Duration how_long) const {
    const auto until = monotonic_ns(how_long);
    if (how_long == Duration::zero())
        static_cast<void>(bpf_map_delete_elem(refused_, &cookie));
    else
        static_cast<void>(bpf_map_update_elem(refused_, &cookie, &until, BPF_ANY));
}

void NetworkMaps::name(std::uint64_t cookie, std::uint64_t inode) {
    const std::lock_guard lock(mutex_);
    inodes_[cookie] = inode;
}

void NetworkMaps::forget(std::uint64_t cookie) {
    const std::lock_guard lock(mutex_);
    inodes_.erase(cookie);
}

std::uint64_t NetworkMaps::inode_of(std::uint64_t cookie) const {
    const std::lock_guard lock(mutex_);
    const auto found = inodes_.find(cookie);
    return found == inodes_.end() ? 0 : found->second;
}

}  // namespace assent::kernel

// What the BPF programs go by in other network namespaces than the daemon's. Thread: any. Private to kernel/ and its owner.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "base/result.h"
#include "base/time.h"

namespace assent::kernel {

class NetworkMaps {
public:
    // Descriptors of the maps, which live longer.
    NetworkMaps(int doors, int refused, int heartbeat) : doors_(doors), refused_(refused), heartbeat_(heartbeat) {}

    // Says that this socket, and what it accepts, is the daemon's. Before anybody is sent there.
    [[nodiscard]] Result<> mark(int socket) const;
    // The daemon lives and will come where it is asked to: first packets wait for it. At least once a second.
    void beat() const;
    // Agents in this namespace get EPERM for so long, or (zero) are let again.
    void refuse(std::uint64_t cookie, Duration how_long) const;

    // Inodes of namespaces, for records; 0: not known, or the daemon's own.
    void name(std::uint64_t cookie, std::uint64_t inode);
    void forget(std::uint64_t cookie);
    [[nodiscard]] std::uint64_t inode_of(std::uint64_t cookie) const;

private:
    int doors_;
    int refused_;
    int heartbeat_;
    mutable std::mutex mutex_;
    std::unordered_map<std::uint64_t, std::uint64_t> inodes_;  // as many as namespaces are listened in
};

}  // namespace assent::kernel

// Network namespaces other than the daemon's. The daemon listens in them too, but there an administrator of the namespace
// may take the proxy's ports while it does not. So who would receive is looked up in the namespace's own table of sockets:
// before a connection begins, and again for each packet; a map of ours could be out of date.
#ifndef ASSENT_NETWORK_H
#define ASSENT_NETWORK_H

#include "common.h"

#define NOBODY 0
#define THE_DAEMON 1
#define SOMEBODY_ELSE 2

#define DROP_UNSEEN 2  // of egress: drops as if the link were full; TCP tries again within a second

static __always_inline __u32 who_receives(void* ctx, struct bpf_sock_tuple* ends, __u32 size, bool is_udp) {
    struct bpf_sock* found;
    if (is_udp)
        found = bpf_sk_lookup_udp(ctx, ends, size, BPF_F_CURRENT_NETNS, 0);
    else
        found = bpf_sk_lookup_tcp(ctx, ends, size, BPF_F_CURRENT_NETNS, 0);
    if (!found) return NOBODY;
    const __u32 answer = bpf_sk_storage_get(&doors, found, NULL, 0) ? THE_DAEMON : SOMEBODY_ELSE;
    bpf_sk_release(found);
    return answer;
}

// A function of its own for its stack: the callers' is nearly as large as the kernel allows.
static __noinline __u32 who_listens(struct bpf_sock_addr* ctx, __u16 port, bool is_v4, bool is_udp) {
    struct bpf_sock_tuple ends = {};
    if (is_v4) {
        ends.ipv4.saddr = ends.ipv4.daddr = bpf_htonl(0x7f000001);
        ends.ipv4.dport = bpf_htons(port);
        return who_receives(ctx, &ends, sizeof(ends.ipv4), is_udp);
    }
    ends.ipv6.saddr[3] = ends.ipv6.daddr[3] = bpf_htonl(1);
    ends.ipv6.dport = bpf_htons(port);
    return who_receives(ctx, &ends, sizeof(ends.ipv6), is_udp);
}

// The daemon lives, and has not said that it will not listen in this network namespace.
static __always_inline bool is_daemon_expected(__u64 netns_cookie) {
    __u32 zero = 0;
    __u64 now = bpf_ktime_get_ns();
    __u64* until = bpf_map_lookup_elem(&refused_networks, &netns_cookie);
    if (until && now < *until) return false;
    __u64* beat = bpf_map_lookup_elem(&heartbeat, &zero);
    return beat && *beat != 0 && now - *beat < ASSENT_HEARTBEAT_SECONDS * 1000000000ULL;
}

static __noinline int ask_for_network(__u64 netns_cookie) {
    struct assent_event event = {};
    identify(&event.who);
    event.address.words[0] = (__u32)netns_cookie;
    event.address.words[1] = (__u32)(netns_cookie >> 32);
    event.kind = ASSENT_ASKS_FOR_NETWORK;
    event.socket_type = (__u32)bpf_get_current_pid_tgid();
    tell(&event);
    return 0;
}

// Nobody there yet: the daemon is told to come, and the first packet waits for it. For hooks inside a system call.
static __always_inline bool may_go_to_proxy(struct bpf_sock_addr* ctx, const struct assent_config* settings, __u16 port,
                                            bool is_v4, bool is_udp) {
    const __u64 netns_cookie = bpf_get_netns_cookie(ctx);
    if (netns_cookie == settings->host_netns_cookie) return true;
    const __u32 receiver = who_listens(ctx, port, is_v4, is_udp);
    if (receiver == THE_DAEMON) return true;
    if (receiver == SOMEBODY_ELSE) return false;
    __u64* until = bpf_map_lookup_elem(&refused_networks, &netns_cookie);
    if (until && bpf_ktime_get_ns() < *until) return false;
    ask_for_network(netns_cookie);
    return true;
}

#endif

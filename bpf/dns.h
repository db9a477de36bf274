// DNS over UDP: whatever resolver an agent's socket asks, its query goes to one of the daemon's listeners, and the answer
// seems to come from the resolver that was asked.
#ifndef ASSENT_DNS_H
#define ASSENT_DNS_H

#include "network.h"

static __always_inline bool is_same(const struct assent_address* left, const struct assent_address* right) {
    return left->words[0] == right->words[0] && left->words[1] == right->words[1] && left->words[2] == right->words[2] &&
           left->words[3] == right->words[3];
}

static __always_inline __u32 slot_count(const struct assent_config* settings) {
    return settings->port_count < ASSENT_DNS_SLOTS ? settings->port_count : ASSENT_DNS_SLOTS;
}

// Remembers in the socket that it asks this resolver; gives the proxy's port that stands for it, 0: there is none. A socket
// that asks more resolvers than there are slots loses the oldest: its late answer would come from another one's address.
static __always_inline __u16 dns_port_for(const struct assent_config* settings, struct bpf_sock* socket,
                                          const struct assent_address* resolver) {
    const struct assent_address none = {};
    struct assent_asked* kept = bpf_sk_storage_get(&asked, socket, NULL, BPF_SK_STORAGE_GET_F_CREATE);
    __u32 count = slot_count(settings);
    if (!kept || count == 0) return 0;
    for (__u32 slot = 0; slot < ASSENT_DNS_SLOTS; ++slot) {
        if (slot >= count) break;
        if (is_same(&kept->resolvers[slot], resolver)) return settings->ports[slot];
        if (!is_same(&kept->resolvers[slot], &none)) continue;
        kept->resolvers[slot] = *resolver;
        return settings->ports[slot];
    }
    __u32 next = kept->next;
    if (next >= count) next = 0;
    forget_range(next);
    kept->next = next + 1;
    next &= ASSENT_DNS_SLOTS - 1;
    kept->resolvers[next] = *resolver;
    return settings->ports[next];
}

// The resolver whose place this port of the proxy takes for the socket.
static __always_inline const struct assent_address* resolver_behind(struct bpf_sock* socket, __u16 proxy_port) {
    const struct assent_config* settings = read_config();
    const struct assent_address none = {};
    if (!settings || !socket) return NULL;
    const struct assent_asked* kept = bpf_sk_storage_get(&asked, socket, NULL, 0);
    if (!kept) return NULL;
    for (__u32 slot = 0; slot < ASSENT_DNS_SLOTS; ++slot) {
        if (slot >= settings->port_count || settings->ports[slot] != proxy_port) continue;
        return is_same(&kept->resolvers[slot], &none) ? NULL : &kept->resolvers[slot];
    }
    return NULL;
}

// Remembers in the socket who asks; false: it must not.
static __always_inline bool note_asker(struct bpf_sock_addr* ctx, struct bpf_sock* socket,
                                       const struct assent_config* settings, const struct assent_address* resolver,
                                       __u16 proxy_port, bool is_v4) {
    struct assent_origin origin = {};
    if (!resolver || proxy_port == 0) return false;
    if (!may_go_to_proxy(ctx, settings, proxy_port, is_v4, true)) return false;
    identify(&origin.who);
    origin.asked_for = *resolver;
    origin.netns_cookie = bpf_get_netns_cookie(ctx);
    origin.time_ns = bpf_ktime_get_ns();
    origin.port = ASSENT_DNS_PORT;
    origin.is_redirected = 1;
    struct assent_origin* kept = bpf_sk_storage_get(&origins, socket, &origin, BPF_SK_STORAGE_GET_F_CREATE);
    if (!kept) return false;
    *kept = origin;
    return true;
}

#endif

// What connect4 and connect6 have in common. TCP goes to the proxy, and UDP to a port 53 to its DNS listener; other UDP may
// connect (the C library sorts addresses with it), and what it then sends is judged by the egress program; everything else
// is refused.
#ifndef ASSENT_CONNECT_H
#define ASSENT_CONNECT_H

#include "dns.h"

#define REDIRECT 2

static __always_inline __u16 choose_proxy_port(const struct assent_config* settings) {
    __u32 count = settings->port_count;
    if (count == 0 || count > ASSENT_PORTS_MAXIMUM) return 0;
    __u32 index = bpf_get_prandom_u32() % count;
    forget_range(index);
    return settings->ports[index & (ASSENT_PORTS_MAXIMUM - 1)];
}

static __always_inline int judge_dns(struct bpf_sock_addr* ctx, struct bpf_sock* socket,
                                     const struct assent_config* settings, const struct assent_address* asked_for,
                                     __u16* proxy_port) {
    *proxy_port = dns_port_for(settings, socket, asked_for);
    return note_asker(ctx, socket, settings, asked_for, *proxy_port, is_mapped(asked_for)) ? REDIRECT : REFUSE;
}

// Loopback of another network namespace: the daemon would connect to its own. A resolver is not asked there in any case.
static __always_inline bool is_elsewhere_meant(struct bpf_sock_addr* ctx, const struct assent_config* settings,
                                               const struct assent_address* asked_for, __u16 port) {
    return is_loopback(asked_for) && port != ASSENT_DNS_PORT && bpf_get_netns_cookie(ctx) != settings->host_netns_cookie;
}

// `asked_for` in; REFUSE, PASS, or REDIRECT with the port to go to.
static __always_inline int judge_connect(struct bpf_sock_addr* ctx, struct assent_address* asked_for, __u16 port,
                                         __u32 family, __u16* proxy_port) {
    const struct assent_config* settings = read_config();
    struct bpf_sock* socket = ctx->sk;
    if (!settings || !socket) return REFUSE;
    __u32 type = ctx->type;
    __u32 protocol = ctx->protocol;
    const bool is_tcp = type == 1 /* SOCK_STREAM */ && protocol == IPPROTO_TCP;
    const bool is_udp = type == 2 /* SOCK_DGRAM */ && protocol == IPPROTO_UDP;
    unspecified_to_loopback(asked_for);
    *proxy_port = choose_proxy_port(settings);
    // A connection straight to the proxy would come back to it for ever.
    const bool is_loop = is_loopback(asked_for) && is_proxy_port(settings, port);
    const bool is_dns = is_udp && port == ASSENT_DNS_PORT;
    int decision = is_tcp ? REDIRECT : PASS;
    if ((!is_tcp && !is_udp) || is_loop || *proxy_port == 0)
        decision = REFUSE;
    else if (is_dns)
        decision = judge_dns(ctx, socket, settings, asked_for, proxy_port);
    else if (is_tcp && (is_elsewhere_meant(ctx, settings, asked_for, port) ||
                        !may_go_to_proxy(ctx, settings, *proxy_port, is_mapped(asked_for), false)))
        decision = REFUSE;
    if (decision == REFUSE) {
        tell_current(ASSENT_REFUSED_CONNECT, family, type, protocol, asked_for, port);
        return REFUSE;
    }
    if (is_dns) return decision;

    struct assent_origin origin = {};
    identify(&origin.who);
    origin.asked_for = *asked_for;
    origin.netns_cookie = bpf_get_netns_cookie(ctx);
    origin.time_ns = bpf_ktime_get_ns();
    origin.port = port;
    origin.is_redirected = is_tcp;
    struct assent_origin* kept = bpf_sk_storage_get(&origins, socket, &origin, BPF_SK_STORAGE_GET_F_CREATE);
    if (!kept) return REFUSE;
    *kept = origin;
    return decision;
}

#endif

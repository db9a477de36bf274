// What sendmsg4 and sendmsg6 have in common: a datagram with an address of its own goes to the daemon's DNS listener if it
// was for a port 53, and otherwise nowhere.
#ifndef ASSENT_SENDMSG_H
#define ASSENT_SENDMSG_H

#include "dns.h"

// What an IPv6 socket sends that is connected to a v4-mapped address, the kernel shows here with the address that connect6
// has put in its place.
static __always_inline bool is_sent_on(struct bpf_sock* socket, const struct assent_address* to, __u16 port) {
    return socket->family == AF_INET6 && is_mapped(to) && is_loopback(to) && resolver_behind(socket, port);
}

// The port to send to instead; 0: refuse.
static __always_inline __u16 judge_send(struct bpf_sock_addr* ctx, struct assent_address* to, __u16 port, __u32 family) {
    const struct assent_config* settings = read_config();
    struct bpf_sock* socket = ctx->sk;
    if (!settings || !socket) return 0;
    unspecified_to_loopback(to);
    __u16 proxy_port = 0;
    const bool is_v4 = is_mapped(to);
    if (is_sent_on(socket, to, port) && note_asker(ctx, socket, settings, resolver_behind(socket, port), port, is_v4))
        return port;
    if (ctx->protocol == IPPROTO_UDP && port == ASSENT_DNS_PORT) proxy_port = dns_port_for(settings, socket, to);
    if (proxy_port != 0 && !note_asker(ctx, socket, settings, to, proxy_port, is_v4)) proxy_port = 0;
    if (proxy_port == 0) tell_current(ASSENT_REFUSED_SEND, family, ctx->type, ctx->protocol, to, port);
    return proxy_port;
}

#endif

// What sendmsg4 and sendmsg6 have in common: a datagram with an address of its own goes to a resolver or nowhere.
#ifndef ASSENT_SENDMSG_H
#define ASSENT_SENDMSG_H

#include "common.h"

static __always_inline int judge_send(struct bpf_sock_addr* ctx, struct assent_address* to, __u16 port, __u32 family) {
    struct bpf_sock* socket = ctx->sk;
    if (!socket) return REFUSE;
    unspecified_to_loopback(to);
    if (ctx->protocol != IPPROTO_UDP || !is_resolver(to, port)) {
        tell_current(ASSENT_REFUSED_SEND, family, ctx->type, ctx->protocol, to, port);
        return REFUSE;
    }
    // The answer is told with this identity.
    struct assent_origin origin = {};
    identify(&origin.who);
    origin.asked_for = *to;
    origin.netns_cookie = bpf_get_netns_cookie(ctx);
    origin.time_ns = bpf_ktime_get_ns();
    origin.port = port;
    struct assent_origin* kept = bpf_sk_storage_get(&origins, socket, &origin, BPF_SK_STORAGE_GET_F_CREATE);
    if (!kept) return REFUSE;
    *kept = origin;
    return PASS;
}

#endif

// Keys of the map `pending`, as seen from the two ends of a connection.
#ifndef ASSENT_SOCKOPS_H
#define ASSENT_SOCKOPS_H

#include "common.h"

static __always_inline void local_key(struct bpf_sock_ops* ctx, struct assent_pending_key* key) {
    if (ctx->family == AF_INET) {
        __u32 v4 = ctx->local_ip4;
        forget_range(v4);
        key->source = mapped(v4);
    } else {
        key->source.words[0] = ctx->local_ip6[0];
        barrier();
        key->source.words[1] = ctx->local_ip6[1];
        barrier();
        key->source.words[2] = ctx->local_ip6[2];
        barrier();
        key->source.words[3] = ctx->local_ip6[3];
    }
    key->source_port = (__u16)ctx->local_port;
    key->proxy_port = (__u16)bpf_ntohl(ctx->remote_port);
    key->netns_cookie = bpf_get_netns_cookie(ctx);
}

static __always_inline void remote_key(struct bpf_sock_ops* ctx, struct assent_pending_key* key) {
    if (ctx->family == AF_INET) {
        __u32 v4 = ctx->remote_ip4;
        forget_range(v4);
        key->source = mapped(v4);
    } else {
        key->source.words[0] = ctx->remote_ip6[0];
        barrier();
        key->source.words[1] = ctx->remote_ip6[1];
        barrier();
        key->source.words[2] = ctx->remote_ip6[2];
        barrier();
        key->source.words[3] = ctx->remote_ip6[3];
    }
    key->source_port = (__u16)bpf_ntohl(ctx->remote_port);
    key->proxy_port = (__u16)ctx->local_port;
    key->netns_cookie = bpf_get_netns_cookie(ctx);
}

#endif

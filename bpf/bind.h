// What bind4 and bind6 have in common. The proxy's ports are the daemon's alone, whatever the agent's capabilities; and no
// agent is a resolver.
#ifndef ASSENT_BIND_H
#define ASSENT_BIND_H

#include "common.h"

static __always_inline int judge_bind(struct bpf_sock_addr* ctx, const struct assent_address* address, __u32 family) {
    const struct assent_config* settings = read_config();
    if (!settings) return REFUSE;
    __u16 port = bpf_ntohs((__u16)ctx->user_port);
    const bool is_dns = ctx->protocol == IPPROTO_UDP && port == ASSENT_DNS_PORT;
    if (!is_proxy_port(settings, port) && !is_dns) return PASS;
    tell_current(ASSENT_REFUSED_BIND, family, ctx->type, ctx->protocol, address, port);
    return REFUSE;
}

#endif

// socket(): of the INET families only plain TCP and UDP can be governed; raw, ICMP, UDP-Lite, SCTP, DCCP, MPTCP and SMC
// cannot.
#include "common.h"

SEC("cgroup/sock_create")
int assent_sock_create(struct bpf_sock* ctx) {
    __u32 type = ctx->type;
    __u32 protocol = ctx->protocol;
    if (type == 1 /* SOCK_STREAM */ && protocol == IPPROTO_TCP) return PASS;
    if (type == 2 /* SOCK_DGRAM */ && protocol == IPPROTO_UDP) return PASS;
    const struct assent_address none = {};
    tell_current(ASSENT_REFUSED_SOCKET, ctx->family, type, protocol, &none, 0);
    return REFUSE;
}

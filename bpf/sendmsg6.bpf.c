// sendto() and sendmsg() of a datagram to an IPv6 address. To a v4-mapped one the kernel sends over IPv4, and asks sendmsg4.
#include "sendmsg.h"

SEC("cgroup/sendmsg6")
int assent_sendmsg6(struct bpf_sock_addr* ctx) {
    struct assent_address to;
    to.words[0] = ctx->user_ip6[0];
    barrier();
    to.words[1] = ctx->user_ip6[1];
    barrier();
    to.words[2] = ctx->user_ip6[2];
    barrier();
    to.words[3] = ctx->user_ip6[3];
    const __u16 port = judge_send(ctx, &to, bpf_ntohs((__u16)ctx->user_port), AF_INET6);
    if (port == 0) return REFUSE;
    ctx->user_ip6[0] = 0;
    barrier();
    ctx->user_ip6[1] = 0;
    barrier();
    ctx->user_ip6[2] = 0;
    barrier();
    ctx->user_ip6[3] = bpf_htonl(1);
    barrier();
    ctx->user_port = bpf_htons(port);
    return PASS;
}

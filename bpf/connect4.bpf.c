// connect() to an IPv4 address.
#include "connect.h"

SEC("cgroup/connect4")
int assent_connect4(struct bpf_sock_addr* ctx) {
    struct assent_address asked = mapped(ctx->user_ip4);
    __u16 proxy_port = 0;
    int decision = judge_connect(ctx, &asked, bpf_ntohs((__u16)ctx->user_port), AF_INET, &proxy_port);
    if (decision != REDIRECT) return decision;
    ctx->user_ip4 = bpf_htonl(0x7f000001);
    barrier();
    ctx->user_port = bpf_htons(proxy_port);
    return PASS;
}

// connect() to an IPv6 address; a v4-mapped one goes to the proxy over IPv4.
#include "connect.h"

SEC("cgroup/connect6")
int assent_connect6(struct bpf_sock_addr* ctx) {
    struct assent_address asked;
    asked.words[0] = ctx->user_ip6[0];
    barrier();
    asked.words[1] = ctx->user_ip6[1];
    barrier();
    asked.words[2] = ctx->user_ip6[2];
    barrier();
    asked.words[3] = ctx->user_ip6[3];
    __u16 proxy_port = 0;
    int decision = judge_connect(ctx, &asked, bpf_ntohs((__u16)ctx->user_port), AF_INET6, &proxy_port);
    if (decision != REDIRECT) return decision;
    const bool is_v4 = is_mapped(&asked);
    ctx->user_ip6[0] = 0;
    barrier();
    ctx->user_ip6[1] = 0;
    barrier();
    ctx->user_ip6[2] = is_v4 ? bpf_htonl(0xffff) : 0;
    barrier();
    ctx->user_ip6[3] = is_v4 ? bpf_htonl(0x7f000001) : bpf_htonl(1);
    barrier();
    ctx->user_port = bpf_htons(proxy_port);
    return PASS;
}

// sendto() and sendmsg() of a datagram to an IPv4 address.
#include "sendmsg.h"

SEC("cgroup/sendmsg4")
int assent_sendmsg4(struct bpf_sock_addr* ctx) {
    struct assent_address to = mapped(ctx->user_ip4);
    const __u16 port = judge_send(ctx, &to, bpf_ntohs((__u16)ctx->user_port), AF_INET);
    if (port == 0) return REFUSE;
    ctx->user_ip4 = bpf_htonl(0x7f000001);
    barrier();
    ctx->user_port = bpf_htons(port);
    return PASS;
}

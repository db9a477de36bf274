// sendto() and sendmsg() of a datagram to an IPv4 address.
#include "sendmsg.h"

SEC("cgroup/sendmsg4")
int assent_sendmsg4(struct bpf_sock_addr* ctx) {
    struct assent_address to = mapped(ctx->user_ip4);
    return judge_send(ctx, &to, bpf_ntohs((__u16)ctx->user_port), AF_INET);
}

// bind() to an IPv6 address.
#include "bind.h"

SEC("cgroup/bind6")
int assent_bind6(struct bpf_sock_addr* ctx) {
    struct assent_address address;
    address.words[0] = ctx->user_ip6[0];
    barrier();
    address.words[1] = ctx->user_ip6[1];
    barrier();
    address.words[2] = ctx->user_ip6[2];
    barrier();
    address.words[3] = ctx->user_ip6[3];
    return judge_bind(ctx, &address, AF_INET6);
}

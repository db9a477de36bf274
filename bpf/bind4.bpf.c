// bind() to an IPv4 address.
#include "bind.h"

SEC("cgroup/bind4")
int assent_bind4(struct bpf_sock_addr* ctx) {
    struct assent_address address = mapped(ctx->user_ip4);
    return judge_bind(ctx, &address, AF_INET);
}

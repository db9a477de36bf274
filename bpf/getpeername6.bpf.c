// getpeername() of an IPv6 socket shows what was asked for.
#include "common.h"

SEC("cgroup/getpeername6")
int assent_getpeername6(struct bpf_sock_addr* ctx) {
    struct bpf_sock* socket = ctx->sk;
    if (!socket) return PASS;
    struct assent_origin* origin = bpf_sk_storage_get(&origins, socket, NULL, 0);
    if (!origin || !origin->is_redirected) return PASS;
    ctx->user_ip6[0] = origin->asked_for.words[0];
    barrier();
    ctx->user_ip6[1] = origin->asked_for.words[1];
    barrier();
    ctx->user_ip6[2] = origin->asked_for.words[2];
    barrier();
    ctx->user_ip6[3] = origin->asked_for.words[3];
    barrier();
    ctx->user_port = bpf_htons(origin->port);
    return PASS;
}

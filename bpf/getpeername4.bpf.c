// getpeername() of an IPv4 socket shows what was asked for.
#include "common.h"

SEC("cgroup/getpeername4")
int assent_getpeername4(struct bpf_sock_addr* ctx) {
    struct bpf_sock* socket = ctx->sk;
    if (!socket) return PASS;
    struct assent_origin* origin = bpf_sk_storage_get(&origins, socket, NULL, 0);
    if (!origin || !origin->is_redirected) return PASS;
    ctx->user_ip4 = origin->asked_for.words[3];
    barrier();
    ctx->user_port = bpf_htons(origin->port);
    return PASS;
}

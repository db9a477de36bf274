// In the daemon's cgroup, when a connection is established: moves what the agent's socket asked for into the accepted
// socket, where it stays whatever the agent does next.
#include "sockops.h"

SEC("sockops")
int assent_sockops_accept(struct bpf_sock_ops* ctx) {
    if (ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) return PASS;
    const struct assent_config* settings = read_config();
    if (!settings || !is_proxy_port(settings, (__u16)ctx->local_port)) return PASS;
    struct bpf_sock* socket = ctx->sk;
    if (!socket) return PASS;
    struct assent_pending_key key = {};
    remote_key(ctx, &key);
    struct assent_origin* origin = bpf_map_lookup_elem(&pending, &key);
    if (!origin) return PASS;
    if (bpf_ktime_get_ns() - origin->time_ns < ASSENT_PENDING_SECONDS * 1000000000ULL)
        bpf_sk_storage_get(&accepted, socket, origin, BPF_SK_STORAGE_GET_F_CREATE);
    bpf_map_delete_elem(&pending, &key);
    return PASS;
}

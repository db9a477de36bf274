// In an agent's cgroup, just before the SYN: the source port is final now, so what the socket remembers can be found by it.
#include "sockops.h"

SEC("sockops")
int assent_sockops_connect(struct bpf_sock_ops* ctx) {
    if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB && ctx->op != BPF_SOCK_OPS_STATE_CB) return PASS;
    struct assent_pending_key key = {};
    local_key(ctx, &key);
    if (ctx->op == BPF_SOCK_OPS_STATE_CB) {
        // Nobody accepted it. A connection that was established keeps its entry: its other end may still be on its way.
        if (ctx->args[0] == BPF_TCP_SYN_SENT && ctx->args[1] == BPF_TCP_CLOSE) bpf_map_delete_elem(&pending, &key);
        return PASS;
    }
    struct bpf_sock* socket = ctx->sk;
    if (!socket) return PASS;
    struct assent_origin* origin = bpf_sk_storage_get(&origins, socket, NULL, 0);
    if (!origin || !origin->is_redirected) return PASS;
    origin->time_ns = bpf_ktime_get_ns();
    bpf_map_update_elem(&pending, &key, origin, BPF_ANY);
    bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
    return PASS;
}

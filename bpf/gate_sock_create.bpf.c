// socket() of the INET families, at the top of all cgroups.
#include "gate.h"

SEC("cgroup/sock_create")
int assent_gate_sock_create(struct bpf_sock* ctx) {
    if (judge_at_gate() == PASS) return PASS;
    const struct assent_address none = {};
    tell_current(ASSENT_REFUSED_NEW, ctx->family, ctx->type, ctx->protocol, &none, 0);
    return REFUSE;
}

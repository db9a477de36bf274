// Unix sockets, at the top of all cgroups: whose making no hook sees, so connects and datagrams are refused. The daemon's
// own socket, and what else agents may always reach, passes.
#include "gate.h"
#include "unix_names.h"

// Apart from the walk up the cgroups, which needs most of the stack.
static __noinline int judge_held(struct bpf_sock_addr* ctx) {
    struct assent_unix_name name = {};
    if (!read_unix_name(bpf_cast_to_kern_ctx(ctx), &name)) return REFUSE;
    const struct assent_unix_rule* rule = find_unix_rule(&name);
    if (rule && rule->action == ASSENT_UNIX_PASS && is_in_first_user_namespace()) return PASS;
    tell_unix(&name, ctx->type, ASSENT_REFUSED_NEW);
    return REFUSE;
}

static __always_inline int judge_unix_at_gate(struct bpf_sock_addr* ctx) {
    return judge_at_gate() == PASS ? PASS : judge_held(ctx);
}

SEC("cgroup/connect_unix")
int assent_gate_connect_unix(struct bpf_sock_addr* ctx) { return judge_unix_at_gate(ctx); }

SEC("cgroup/sendmsg_unix")
int assent_gate_sendmsg_unix(struct bpf_sock_addr* ctx) { return judge_unix_at_gate(ctx); }

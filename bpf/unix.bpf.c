// Unix sockets: a name that the daemon has listed is passed or sent to the proxy's own socket; every other is refused.
// From Linux 6.7 on. A name is compared as it was written: no link, relative path or other spelling leads anywhere.
// getpeername() shows the proxy's socket: its hook is given the far end, which knows nothing. Two programs in one file: the
// linker of BPF objects takes a function of the kernel from one object only.
#include "unix_names.h"

extern int bpf_sock_addr_set_sun_path(struct bpf_sock_addr_kern* context, const __u8* path, __u32 path__sz) __ksym __weak;

// REFUSE, PASS, or PASS with the proxy's socket in the place of the name.
static __always_inline int judge_unix(struct bpf_sock_addr* ctx, bool is_send) {
    struct bpf_sock_addr_kern* context = bpf_cast_to_kern_ctx(ctx);
    struct assent_unix_name name = {};
    __u32 type = ctx->type;
    if (!read_unix_name(context, &name)) return REFUSE;
    struct assent_unix_rule* rule = find_unix_rule(&name);
    const bool is_stream = type == 1 /* SOCK_STREAM */;
    // The name is looked up in the process's own mount or network namespace, and so is the one that takes its place.
    const bool is_name_honest = rule && is_in_first_user_namespace() && !is_abstract_elsewhere(ctx, &name);
    if (is_name_honest && rule->action == ASSENT_UNIX_PASS) return PASS;
    if (is_name_honest && rule->action == ASSENT_UNIX_REDIRECT && is_stream && !is_send) {
        __u32 size = rule->proxy_length;
        if (size > 0 && size <= ASSENT_UNIX_NAME && bpf_sock_addr_set_sun_path(context, (const __u8*)rule->proxy, size) == 0)
            return PASS;
        return REFUSE;
    }
    if (!rule || rule->action != ASSENT_UNIX_REFUSE) tell_unix(&name, type, ASSENT_REFUSED_UNIX);
    return REFUSE;
}

SEC("cgroup/connect_unix")
int assent_connect_unix(struct bpf_sock_addr* ctx) { return judge_unix(ctx, false); }

SEC("cgroup/sendmsg_unix")
int assent_sendmsg_unix(struct bpf_sock_addr* ctx) { return judge_unix(ctx, true); }

// listen(): nobody gets through to an agent (the ingress program drops who tries), so the agent is told at once.
#include "lsm.h"

SEC("lsm/socket_listen")
int BPF_PROG(assent_lsm_socket_listen, struct socket* socket) {
    const __u16 family = BPF_CORE_READ(socket, sk, __sk_common.skc_family);
    if (family == AF_UNIX || !is_governed()) return ALLOW;
    return refuse(ASSENT_REFUSED_LISTEN, family, BPF_CORE_READ(socket, type), 0);
}

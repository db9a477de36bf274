// socket(): of the families besides INET, which the cgroup's own program judges, only unix sockets and questions about
// routes (the C library asks them to sort addresses). VSOCK, packet and the like lead out past every other hook.
#include "lsm.h"

SEC("lsm/socket_create")
int BPF_PROG(assent_lsm_socket_create, int family, int type, int protocol, int kern) {
    struct assent_guard* settings = read_guard();
    if (settings && settings->daemon_cgroup == bpf_get_current_cgroup_id()) __sync_fetch_and_add(&settings->trial_count, 1);
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6) return ALLOW;
    if (family == AF_NETLINK && protocol == 0 /* NETLINK_ROUTE */) return ALLOW;
    // Those that the kernel makes for itself, of every family, when a process makes a network namespace.
    if (kern || !is_governed()) return ALLOW;
    refuse(ASSENT_REFUSED_SOCKET, family, type, protocol);
    return -EAFNOSUPPORT;
}

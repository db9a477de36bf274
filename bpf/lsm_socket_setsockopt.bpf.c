// setsockopt(): the kernel announces the groups that a socket joins, and the cgroup's own program goes by the socket's
// cgroup.
#include "lsm.h"

SEC("lsm/socket_setsockopt")
int BPF_PROG(assent_lsm_socket_setsockopt, struct socket* socket) { return judge_socket(socket); }

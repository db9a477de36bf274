// getsockopt(): of TCP it can read what was received (TCP_ZEROCOPY_RECEIVE).
#include "lsm.h"

SEC("lsm/socket_getsockopt")
int BPF_PROG(assent_lsm_socket_getsockopt, struct socket* socket) { return judge_socket(socket); }

// connect() of a socket that was made outside.
#include "lsm.h"

SEC("lsm/socket_connect")
int BPF_PROG(assent_lsm_socket_connect, struct socket* socket) { return judge_socket(socket); }

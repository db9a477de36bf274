// Receiving from a socket that was made outside.
#include "lsm.h"

SEC("lsm/socket_recvmsg")
int BPF_PROG(assent_lsm_socket_recvmsg, struct socket* socket) { return judge_socket(socket); }

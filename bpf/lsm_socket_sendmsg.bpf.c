// Sending through a socket that was made outside.
#include "lsm.h"

SEC("lsm/socket_sendmsg")
int BPF_PROG(assent_lsm_socket_sendmsg, struct socket* socket) { return judge_socket(socket); }

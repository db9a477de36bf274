// A datagram to a unix socket, or connect() to one that takes datagrams.
#include "lsm_unix.h"

SEC("lsm/unix_may_send")
int BPF_PROG(assent_lsm_unix_may_send, struct socket* socket, struct socket* other) {
    return judge_unix(BPF_CORE_READ(other, sk), 2 /* SOCK_DGRAM */);
}

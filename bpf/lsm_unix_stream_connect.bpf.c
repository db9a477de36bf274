// connect() to a unix socket that is listening.
#include "lsm_unix.h"

SEC("lsm/unix_stream_connect")
int BPF_PROG(assent_lsm_unix_stream_connect, struct sock* socket, struct sock* other) {
    return judge_unix(other, 1 /* SOCK_STREAM */);
}

// A signal for what happens to a file (F_SETOWN), by whoever lets it happen: nobody's reach the daemon, which asks for none.
#include "lsm.h"

SEC("lsm/file_send_sigiotask")
int BPF_PROG(assent_lsm_file_send_sigiotask, struct task_struct* other) {
    const struct assent_guard* settings = read_guard();
    if (!settings || settings->daemon_cgroup == 0) return ALLOW;
    return BPF_CORE_READ(other, cgroups, dfl_cgrp, kn, id) == settings->daemon_cgroup ? -EPERM : ALLOW;
}

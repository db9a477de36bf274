// A signal to the daemon, from a governed process.
#include "lsm.h"

SEC("lsm/task_kill")
int BPF_PROG(assent_lsm_task_kill, struct task_struct* other, void* info, int signal) {
    const struct assent_guard* settings = read_guard();
    if (signal == 0 || !settings || settings->daemon_cgroup == 0 || !is_governed()) return ALLOW;
    if (BPF_CORE_READ(other, cgroups, dfl_cgrp, kn, id) != settings->daemon_cgroup) return ALLOW;
    return refuse(ASSENT_REFUSED_PROCESS, 0, BPF_CORE_READ(other, tgid), signal);
}

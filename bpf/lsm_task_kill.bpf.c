// A signal to the daemon, from a governed process.
#include "lsm.h"

SEC("lsm/task_kill")
int BPF_PROG(assent_lsm_task_kill, struct task_struct* other, void* info, int signal) {
    return signal == 0 ? ALLOW : judge_process(other, signal);
}

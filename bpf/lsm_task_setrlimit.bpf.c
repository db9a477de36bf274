// The limits of the daemon: no descriptors, and it stops.
#include "lsm.h"

SEC("lsm/task_setrlimit")
int BPF_PROG(assent_lsm_task_setrlimit, struct task_struct* other) { return judge_process(other, 0); }

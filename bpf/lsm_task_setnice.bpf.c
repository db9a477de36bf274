// The priority of the daemon.
#include "lsm.h"

SEC("lsm/task_setnice")
int BPF_PROG(assent_lsm_task_setnice, struct task_struct* other) { return judge_process(other, 0); }

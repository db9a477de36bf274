// The scheduling of the daemon, or the processors that it may use: it would starve.
#include "lsm.h"

SEC("lsm/task_setscheduler")
int BPF_PROG(assent_lsm_task_setscheduler, struct task_struct* other) { return judge_process(other, 0); }

// clone3() with CLONE_INTO_CGROUP starts a child in another cgroup; there is no write to a file then.
#include "lsm.h"

#define CLONE_INTO_CGROUP 0x200000000ULL

SEC("lsm/task_alloc")
int BPF_PROG(assent_lsm_task_alloc, struct task_struct* task, unsigned long clone_flags) {
    if ((clone_flags & CLONE_INTO_CGROUP) == 0 || !is_governed()) return ALLOW;
    return refuse(ASSENT_REFUSED_CGROUP, 0, 0, 0);
}

// Reaching into a process that is not governed: ptrace, /proc/PID/mem, process_vm_writev, pidfd_getfd, /proc/PID/fd. Tools
// that list processes ask as well, and say that it is no matter: they are refused in silence.
#include "lsm.h"

#define PTRACE_MODE_NOAUDIT 4

SEC("lsm/ptrace_access_check")
int BPF_PROG(assent_lsm_ptrace_access_check, struct task_struct* other, unsigned int mode) {
    if (!is_governed() || is_governed_cgroup(cgroup_of(other))) return ALLOW;
    if (mode & PTRACE_MODE_NOAUDIT) return -EPERM;
    return refuse(ASSENT_REFUSED_PROCESS, 0, BPF_CORE_READ(other, tgid), 0);
}

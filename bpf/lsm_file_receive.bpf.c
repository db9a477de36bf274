// A descriptor that comes in over a unix socket or by pidfd_getfd(): no network socket from outside, and no file of a cgroup
// that was opened there.
#include "lsm.h"

SEC("lsm/file_receive")
int BPF_PROG(assent_lsm_file_receive, struct file* file) {
    const struct inode* inode = BPF_CORE_READ(file, f_inode);
    const bool is_socket = (BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFSOCK;
    const bool is_cgroup = magic_of(inode) == CGROUP2_SUPER_MAGIC;
    if ((!is_socket && !is_cgroup) || !is_governed()) return ALLOW;
    if (is_socket) return judge_socket(BPF_CORE_READ(file, private_data));
    return is_of_another_cgroup(inode) ? refuse(ASSENT_REFUSED_CGROUP, 0, 0, 0) : ALLOW;
}

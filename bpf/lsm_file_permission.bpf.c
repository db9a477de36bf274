// Every read() and write(), so it decides on the first fields that it can. Two things come to light here only: splice() on a
// socket from outside, and writing to another cgroup's files (cgroup.procs is the way out of a governed one) through a
// descriptor that was opened before joining.
#include "lsm.h"

SEC("lsm/file_permission")
int BPF_PROG(assent_lsm_file_permission, struct file* file, int mask) {
    const struct inode* inode = file->f_inode;
    if (!inode) return ALLOW;
    if ((inode->i_mode & S_IFMT) == S_IFSOCK) return judge_socket(file->private_data);
    if ((mask & MAY_WRITE) == 0) return ALLOW;
    const struct super_block* super = inode->i_sb;
    if (!super || super->s_magic != CGROUP2_SUPER_MAGIC || !is_governed()) return ALLOW;
    return is_of_another_cgroup(inode) ? refuse(ASSENT_REFUSED_CGROUP, 0, 0, 0) : ALLOW;
}

// move_mount(): either way.
#include "lsm_mount.h"

SEC("lsm/move_mount")
int BPF_PROG(assent_lsm_move_mount, const struct path* from, const struct path* to) {
    const int decision = judge_mount_over(to);
    if (decision != ALLOW || !is_ground(BPF_CORE_READ(from, dentry, d_sb, s_magic))) return decision;
    return judge_unmount(BPF_CORE_READ(from, mnt));
}

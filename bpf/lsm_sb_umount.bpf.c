// umount(): a BPF file system's last mount takes its pins with it.
#include "lsm_mount.h"

SEC("lsm/sb_umount")
int BPF_PROG(assent_lsm_sb_umount, struct vfsmount* inner) { return judge_unmount(inner); }

// Moving a pin of a BPF file system: the daemon would not find it, or it would be replaced.
#include "lsm.h"

SEC("lsm/inode_rename")
int BPF_PROG(assent_lsm_inode_rename, struct inode* folder) {
    if (magic_of(folder) != BPF_FS_MAGIC || !is_governed()) return ALLOW;
    return refuse(ASSENT_REFUSED_BPF, 0, 0, 0);
}

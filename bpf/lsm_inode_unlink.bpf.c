// Removing a pin of a BPF file system: a link that nothing keeps ends.
#include "lsm.h"

SEC("lsm/inode_unlink")
int BPF_PROG(assent_lsm_inode_unlink, struct inode* folder) {
    if (magic_of(folder) != BPF_FS_MAGIC || !is_governed()) return ALLOW;
    return refuse(ASSENT_REFUSED_BPF, 0, 0, 0);
}

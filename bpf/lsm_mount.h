// What the programs about mounts have in common. A sandbox rearranges mounts of its own namespace while it is set up, and
// that is its own matter; what counts is what the host sees.
#ifndef ASSENT_LSM_MOUNT_H
#define ASSENT_LSM_MOUNT_H

#include "lsm.h"

#define SYSFS_MAGIC 0x62656572
#define MNT_SHARED 0x1000
#define T_SHARED 1

static __always_inline struct mount* mount_of(const struct vfsmount* inner) {
    return (struct mount*)((char*)inner - bpf_core_field_offset(struct mount, mnt));
}

// What happens on this mount spreads to other namespaces.
static __always_inline bool is_shared(struct mount* place) {
    struct mount___flags* newer = (void*)place;
    if (bpf_core_field_exists(newer->mnt_t_flags)) return BPF_CORE_READ(newer, mnt_t_flags) & T_SHARED;
    return BPF_CORE_READ(place, mnt.mnt_flags) & MNT_SHARED;
}

static __always_inline bool does_host_see(struct mount* place) {
    const struct assent_guard* settings = read_guard();
    struct task_struct* task = (struct task_struct*)bpf_get_current_task();
    const __u32 here = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
    if (settings && (here == settings->mount_namespaces[0] || here == settings->mount_namespaces[1])) return true;
    return is_shared(place);
}

static __always_inline bool is_ground(unsigned long magic) { return magic == BPF_FS_MAGIC || magic == CGROUP2_SUPER_MAGIC; }

// Mounting something over `place`, or moving something there.
static __always_inline int judge_mount_over(const struct path* place) {
    const unsigned long magic = BPF_CORE_READ(place, dentry, d_sb, s_magic);
    if (!is_ground(magic) && magic != SYSFS_MAGIC) return ALLOW;
    if (!is_governed() || !does_host_see(mount_of(BPF_CORE_READ(place, mnt)))) return ALLOW;
    return refuse(ASSENT_REFUSED_MOUNT, 0, 0, 0);
}

// Taking `inner` away: a file system of ours, or a mount that carries others (with MNT_DETACH they go with it).
static __always_inline int judge_unmount(const struct vfsmount* inner) {
    if (!is_governed()) return ALLOW;
    struct mount* whole = mount_of(inner);
    struct list_head* below = BPF_CORE_READ(whole, mnt_mounts.next);
    const bool carries = (char*)below != (char*)whole + bpf_core_field_offset(struct mount, mnt_mounts);
    if (!is_ground(BPF_CORE_READ(inner, mnt_sb, s_magic)) && !carries) return ALLOW;
    if (!does_host_see(BPF_CORE_READ(whole, mnt_parent))) return ALLOW;
    return refuse(ASSENT_REFUSED_MOUNT, 0, 0, 0);
}

#endif

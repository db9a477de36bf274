// What the programs of the kernel's security module (BPF LSM) have in common. They see every process of the host, and have
// something to say of governed ones only. Errors other than EPERM are what the kernel would give without the feature.
#ifndef ASSENT_LSM_H
#define ASSENT_LSM_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "cgroups.h"
#include "common.h"

#define EPERM 1
#define EAFNOSUPPORT 97
#define ALLOW 0
#define AF_NETLINK 16
#define CGROUP2_SUPER_MAGIC 0x63677270
#define BPF_FS_MAGIC 0xcafe4a11
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFDIR 0040000
#define MAY_WRITE 2

static __always_inline struct assent_guard* read_guard(void) {
    __u32 zero = 0;
    return bpf_map_lookup_elem(&guard, &zero);
}

// The process that runs now is in a governed cgroup.
static __always_inline bool is_governed(void) {
    const struct assent_guard* settings = read_guard();
    if (!settings) return false;
    const __u32 levels = settings->governed_levels;
    for (int level = 0; level < ASSENT_CGROUP_DEPTH; ++level) {
        if ((levels >> level) == 0) return false;
        if (((levels >> level) & 1) == 0) continue;
        const __u64 id = bpf_get_current_ancestor_cgroup_id(level);
        if (id == 0) return false;
        if (bpf_map_lookup_elem(&governed_cgroups, &id)) return true;
    }
    return false;
}

// Some cgroup (of version 2), which need not be the current process's.
static __always_inline bool is_governed_cgroup(struct cgroup* group) {
    for (int up = 0; up < 2 * ASSENT_CGROUP_DEPTH && group; ++up) {
        const __u64 id = BPF_CORE_READ(group, kn, id);
        if (bpf_map_lookup_elem(&governed_cgroups, &id)) return true;
        group = BPF_CORE_READ(group, self.parent, cgroup);
    }
    return false;
}

// A network socket that no governed process made: the hooks of governed cgroups do not see it. The kernel's own sockets (of
// a network file system, say) have no file.
static __always_inline bool is_foreign(struct socket* socket) {
    struct sock* sk = BPF_CORE_READ(socket, sk);
    if (!sk || !BPF_CORE_READ(socket, file)) return false;
    const __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    if (family == AF_UNIX || family == AF_NETLINK) return false;
    struct cgroup* group = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
    if (group && BPF_CORE_READ(group, kn, id) == bpf_get_current_cgroup_id()) return false;
    return !is_governed_cgroup(group);
}

static __always_inline int refuse(__u32 kind, __u32 family, __u32 type, __u32 protocol) {
    const struct assent_address none = {};
    tell_current(kind, family, type, protocol, &none, 0);
    return -EPERM;
}

static __always_inline int judge_socket(struct socket* socket) {
    if (!is_governed() || !is_foreign(socket)) return ALLOW;
    return refuse(ASSENT_REFUSED_FOREIGN, BPF_CORE_READ(socket, sk, __sk_common.skc_family), BPF_CORE_READ(socket, type), 0);
}

// What a governed process does to one of the daemon's cgroup; `what` is the signal, or 0.
static __always_inline int judge_process(struct task_struct* other, int what) {
    const struct assent_guard* settings = read_guard();
    if (!settings || settings->daemon_cgroup == 0 || !is_governed()) return ALLOW;
    if (BPF_CORE_READ(other, cgroups, dfl_cgrp, kn, id) != settings->daemon_cgroup) return ALLOW;
    return refuse(ASSENT_REFUSED_PROCESS, 0, BPF_CORE_READ(other, tgid), what);
}

static __always_inline unsigned long magic_of(const struct inode* inode) { return BPF_CORE_READ(inode, i_sb, s_magic); }

// A file of a cgroup folder that is neither the current process's own nor below it.
static __always_inline bool is_of_another_cgroup(const struct inode* inode) {
    struct kernfs_node* node = BPF_CORE_READ(inode, i_private);
    const __u64 own = bpf_get_current_cgroup_id();
    for (int up = 0; up < 2 * ASSENT_CGROUP_DEPTH && node; ++up) {
        if (BPF_CORE_READ(node, id) == own) return false;
        node = parent_of(node);
    }
    return true;
}

#endif

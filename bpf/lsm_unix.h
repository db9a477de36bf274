// What connecting and sending to unix sockets have in common. Sockets of governed processes are open to governed ones.
#ifndef ASSENT_LSM_UNIX_H
#define ASSENT_LSM_UNIX_H

#include "lsm.h"

#define PATH_OFFSET 2  // of the name in a sockaddr_un

static __always_inline bool is_allowed_unix(struct sock* other) {
    struct assent_unix_key key = {};
    struct unix_sock* socket = (struct unix_sock*)other;
    struct dentry* file = BPF_CORE_READ(socket, path.dentry);
    struct unix_address* address = BPF_CORE_READ(socket, addr);
    if (file) {
        const struct inode* inode = BPF_CORE_READ(file, d_inode);
        key.inode = BPF_CORE_READ(inode, i_ino);
        key.device = BPF_CORE_READ(inode, i_sb, s_dev);
    } else if (address) {
        __u32 size = BPF_CORE_READ(address, len);
        if (size < PATH_OFFSET + 1 || size > PATH_OFFSET + ASSENT_UNIX_NAME) return false;
        size -= PATH_OFFSET + 1;
        forget_range(size);
        if (size > ASSENT_UNIX_NAME) return false;
        key.name_size = size;
        if (bpf_probe_read_kernel(key.name, size, (const char*)&address->name[0] + PATH_OFFSET + 1) != 0) return false;
    } else {
        return true;  // one end of a pair
    }
    return bpf_map_lookup_elem(&unix_sockets, &key) != NULL;
}

static __always_inline int judge_unix(struct sock* other, __u32 type) {
    const struct assent_guard* settings = read_guard();
    if (!settings || !settings->is_unix_closed || !other || !is_governed()) return ALLOW;
    if (is_governed_cgroup(BPF_CORE_READ(other, sk_cgrp_data.cgroup)) || is_allowed_unix(other)) return ALLOW;
    return refuse(ASSENT_REFUSED_UNIX, AF_UNIX, type, 0);
}

#endif

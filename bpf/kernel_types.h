// The few fields of the kernel's own structures that the programs read. Their places are found when the programs are
// loaded (CO-RE), so that building needs no kernel's type information.
#ifndef ASSENT_KERNEL_TYPES_H
#define ASSENT_KERNEL_TYPES_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    unsigned int val;
} kuid_t;

struct super_block {
    unsigned int s_dev;
    unsigned long s_magic;
};

struct inode {
    unsigned short i_mode;
    unsigned long i_ino;
    struct super_block* i_sb;
    void* i_private;
};

struct file {
    struct inode* f_inode;
    void* private_data;
};

struct mm_struct {
    struct file* exe_file;
};

struct kernfs_node {
    __u64 id;
    const char* name;
    struct kernfs_node* parent;
};
// Since Linux 6.15.
struct kernfs_node___renamed {
    struct kernfs_node* __parent;
};

struct cgroup;
struct cgroup_subsys_state {
    struct cgroup* cgroup;
    struct cgroup_subsys_state* parent;
};
struct cgroup {
    struct cgroup_subsys_state self;
    struct kernfs_node* kn;
};
struct css_set {
    struct cgroup* dfl_cgrp;
};

struct user_namespace {
    struct user_namespace* parent;
    int level;  // 0: the host's
};
// Two words of 32 bits before Linux 6.3, and one of 64 since: the same bytes on little-endian.
struct capability_set {
    __u64 bits;
};
struct cred {
    struct capability_set cap_permitted;
    struct capability_set cap_effective;
    struct capability_set cap_bset;
    struct user_namespace* user_ns;
};

struct ns_common {
    unsigned int inum;
};
struct mnt_namespace {
    struct ns_common ns;
};
struct net {
    struct user_namespace* user_ns;
};
struct nsproxy {
    struct mnt_namespace* mnt_ns;
    struct net* net_ns;
};
struct seccomp {
    int mode;
};

struct task_struct {
    struct task_struct* group_leader;
    struct mm_struct* mm;
    __u64 start_boottime;
    kuid_t loginuid;
    int tgid;
    unsigned long atomic_flags;
    const struct cred* cred;
    struct css_set* cgroups;
    struct nsproxy* nsproxy;
    struct seccomp seccomp;
};

struct sock_common {
    unsigned short skc_family;
};
struct sock_cgroup_data {
    struct cgroup* cgroup;
};
struct socket;
struct sock {
    struct sock_common __sk_common;
    struct sock_cgroup_data sk_cgrp_data;
    struct socket* sk_socket;
};
struct socket {
    short type;
    struct file* file;
    struct sock* sk;
};

struct dentry {
    struct inode* d_inode;
    struct super_block* d_sb;
};
struct vfsmount {
    struct super_block* mnt_sb;
    int mnt_flags;
};
struct path {
    struct vfsmount* mnt;
    struct dentry* dentry;
};
struct list_head {
    struct list_head* next;
};
struct mount {
    struct mount* mnt_parent;
    struct vfsmount mnt;
    struct list_head mnt_mounts;
};
// Since Linux 6.16.
struct mount___flags {
    int mnt_t_flags;
};

struct unix_name {
    unsigned short sun_family;
};
struct unix_address {
    int len;
    struct unix_name name[];
};
struct unix_sock {
    struct unix_address* addr;
    struct path path;
};

#pragma clang attribute pop

#endif

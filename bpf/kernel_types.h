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
};

struct inode {
    unsigned long i_ino;
    struct super_block* i_sb;
};

struct file {
    struct inode* f_inode;
};

struct mm_struct {
    struct file* exe_file;
};

struct user_namespace {
    int level;  // 0: the first one, which is nobody's child
};

struct cred {
    struct user_namespace* user_ns;
};

struct task_struct {
    struct task_struct* group_leader;
    struct mm_struct* mm;
    const struct cred* cred;
    __u64 start_boottime;
    kuid_t loginuid;
};

#pragma clang attribute pop

#endif

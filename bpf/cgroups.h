// Walking up from cgroups (of version 2).
#ifndef ASSENT_CGROUPS_H
#define ASSENT_CGROUPS_H

#include "common.h"

static __always_inline struct cgroup* cgroup_of(struct task_struct* task) { return BPF_CORE_READ(task, cgroups, dfl_cgrp); }

static __always_inline struct kernfs_node* parent_of(struct kernfs_node* node) {
    if (bpf_core_field_exists(node->parent)) return BPF_CORE_READ(node, parent);
    struct kernfs_node___renamed* renamed = (void*)node;
    return BPF_CORE_READ(renamed, __parent);
}

#endif

// What the programs at the top of all cgroups have in common. They see every process there, and refuse those in a cgroup
// that is to be governed, by its name, and is not yet: a new one, that the daemon has not seen. All others pass after one
// lookup. It is enough to refuse new sockets: no connection and no datagram is without one.
#ifndef ASSENT_GATE_H
#define ASSENT_GATE_H

#include "cgroups.h"
#include "common.h"

struct cgroup_name {
    char bytes[ASSENT_CGROUP_NAME];
};

// 1: the whole name fits the glob. Global functions are verified by themselves, once;
// weak, since two programs carry them.
__weak __noinline int gate_fits(__u32 index, const struct cgroup_name* name) {
    if (!name) return 0;
    const struct assent_glob* glob = bpf_map_lookup_elem(&gate_globs, &index);
    if (!glob) return 0;
    __u64 state = 1;
    for (int at = 0; at < ASSENT_CGROUP_NAME; ++at) {
        const __u8 character = (__u8)name->bytes[at];
        if (character == 0) break;
        state = ((state & glob->accepts[character]) << 1) | (state & glob->stays);
    }
    return (state & glob->ends) != 0;
}

// One bit for each glob that the name fits.
__weak __noinline __u64 gate_fitting(const struct cgroup_name* name, __u32 count) {
    __u64 fitting = 0;
    if (!name) return 0;
    for (__u32 index = 0; index < ASSENT_GLOBS; ++index) {
        if (index >= count) break;
        fitting |= (__u64)(gate_fits(index, name) & 1) << index;
    }
    return fitting;
}

static __always_inline const struct assent_gate* read_gate(void) {
    __u32 zero = 0;
    return bpf_map_lookup_elem(&gate, &zero);
}

// PASS: no name fits, or it is governed. Walks up from the current process's cgroup.
__weak __noinline int gate_judge(__u32 unused) {
    const struct assent_gate* settings = read_gate();
    if (!settings) return PASS;
    struct kernfs_node* node = BPF_CORE_READ(cgroup_of((struct task_struct*)bpf_get_current_task()), kn);
    struct cgroup_name name;
    __u64 unit = 0;
    __u64 path = 0;
    for (int up = 0; up < ASSENT_CGROUP_DEPTH; ++up) {
        __u64 id = BPF_CORE_READ(node, id);
        struct kernfs_node* parent = parent_of(node);
        if (id == settings->top || !parent) return (unit | (path & settings->path_last)) != 0 ? REFUSE : PASS;
        const __u32* known = bpf_map_lookup_elem(&attached_cgroups, &id);
        const __u32 known_as = known ? *known : 0;
        if (known_as == ASSENT_ATTACHED) return PASS;
        if (bpf_probe_read_kernel_str(name.bytes, sizeof(name.bytes), BPF_CORE_READ(node, name)) <= 0) return REFUSE;
        __u64 fitting = gate_fitting(&name, settings->glob_count);
        if (known_as == ASSENT_SPARED) fitting &= 1;
        // Without a branch, which the verifier would follow at each level anew. The first glob is that of slices.
        unit = (unit & (0 - (fitting & 1))) | (fitting & settings->units);
        path = ((path << 1) | settings->path_first) & fitting;
        node = parent;
    }
    return REFUSE;  // too deep to tell
}

static __always_inline int judge_at_gate(void) {
    const struct assent_gate* settings = read_gate();
    if (!settings || settings->top == 0) return PASS;
    __u64 id = bpf_get_current_cgroup_id();
    __u32 generation = settings->generation;
    const __u32* passed = bpf_map_lookup_elem(&gate_passes, &id);
    if (passed && *passed == generation) return PASS;
    if (bpf_map_lookup_elem(&attached_cgroups, &id)) return PASS;
    if (gate_judge(0) != PASS) return REFUSE;
    // What is governed passes for as long as it is; the rest for as long as it has its name.
    bpf_map_update_elem(&gate_passes, &id, &generation, BPF_ANY);
    return PASS;
}

#endif

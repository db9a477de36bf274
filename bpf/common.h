// What several programs need: the configuration, addresses, identity and events.
#ifndef ASSENT_COMMON_H
#define ASSENT_COMMON_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "kernel_types.h"
#include "maps.h"

// Helpers that read the kernel's structures are for GPL-compatible programs only.
static const char assent_license[] SEC("license") = "GPL";

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define REFUSE 0
#define PASS 1
#define USER_NAMESPACE_DEPTH 34                         // the kernel nests 32
#define NETWORK_CAPABILITIES (1ULL << 12 | 1ULL << 13)  // CAP_NET_ADMIN, CAP_NET_RAW

// Keeps clang from merging loads and stores of the context into forms that the verifier refuses.
#define barrier() asm volatile("" ::: "memory")

// Keeps clang from dropping a bound that it can prove and the verifier cannot, and from merging loads of two fields into
// one.
#define forget_range(variable) asm volatile("" : "+r"(variable))

static __always_inline const struct assent_config* read_config(void) {
    __u32 zero = 0;
    return bpf_map_lookup_elem(&config, &zero);
}

// `port` in host order.
static __always_inline bool is_proxy_port(const struct assent_config* settings, __u16 port) {
    if (port >= ASSENT_PORT_LIMIT) return false;
    return (settings->port_bits[(port >> 6) & (ASSENT_PORT_LIMIT / 64 - 1)] >> (port & 63)) & 1;
}

static __always_inline struct assent_address mapped(__u32 v4) {
    struct assent_address out = {{0, 0, bpf_htonl(0xffff), v4}};
    return out;
}

static __always_inline bool is_mapped(const struct assent_address* address) {
    return address->words[0] == 0 && address->words[1] == 0 && address->words[2] == bpf_htonl(0xffff);
}

static __always_inline bool is_loopback(const struct assent_address* address) {
    if (is_mapped(address)) return (address->words[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
    return address->words[0] == 0 && address->words[1] == 0 && address->words[2] == 0 && address->words[3] == bpf_htonl(1);
}

// Connecting to the unspecified address means loopback.
static __always_inline void unspecified_to_loopback(struct assent_address* address) {
    if (address->words[0] != 0 || address->words[1] != 0) return;
    if (address->words[2] == 0 && address->words[3] == 0) address->words[3] = bpf_htonl(1);
    if (address->words[2] == bpf_htonl(0xffff) && address->words[3] == 0) address->words[3] = bpf_htonl(0x7f000001);
}

// The process's network namespace belongs to its user namespace, or to one that was made inside of it.
static __always_inline bool has_network_of_its_own(struct task_struct* task, const struct cred* cred) {
    const struct user_namespace* own = BPF_CORE_READ(cred, user_ns);
    const struct user_namespace* owner = BPF_CORE_READ(task, nsproxy, net_ns, user_ns);
    for (int i = 0; i < USER_NAMESPACE_DEPTH; ++i) {
        if (!owner || owner == own) break;
        owner = BPF_CORE_READ(owner, parent);
    }
    return owner && owner == own;
}

// Capabilities in a user namespace of its own reach nothing of the host's, and what is gained there neither. But who
// administers a network namespace leads away what its loopback carries, and sends packets past every socket's rules.
static __always_inline void identify_powers(struct task_struct* task, struct assent_identity* who) {
    const struct cred* cred = BPF_CORE_READ(task, cred);
    const bool is_hosts = BPF_CORE_READ(cred, user_ns, level) == 0;
    __u64 permitted = 0;
    bpf_core_read(&permitted, sizeof(permitted), &cred->cap_permitted);
    bpf_core_read(&who->held, sizeof(who->held), &cred->cap_effective);
    who->held |= permitted;
    if (is_hosts)
        bpf_core_read(&who->bounding, sizeof(who->bounding), &cred->cap_bset);
    else if (who->held != 0)
        who->held = has_network_of_its_own(task, cred) ? who->held & NETWORK_CAPABILITIES : 0;
    if (BPF_CORE_READ(task, atomic_flags) & 1) who->flags |= ASSENT_NO_NEW_PRIVILEGES;
    if (bpf_core_field_exists(task->seccomp) && BPF_CORE_READ(task, seccomp.mode) == 2) who->flags |= ASSENT_HAS_FILTER;
}

// Of the process that runs now: for hooks inside a system call only. `who` has to be zero.
static __always_inline void identify(struct assent_identity* who) {
    struct task_struct* task = (struct task_struct*)bpf_get_current_task();
    who->cgroup_id = bpf_get_current_cgroup_id();
    who->pid = bpf_get_current_pid_tgid() >> 32;
    who->uid = (__u32)bpf_get_current_uid_gid();
    bpf_get_current_comm(who->comm, sizeof(who->comm));
    who->start_time_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    who->exe_inode = BPF_CORE_READ(task, mm, exe_file, f_inode, i_ino);
    who->exe_device = BPF_CORE_READ(task, mm, exe_file, f_inode, i_sb, s_dev);
    who->login_uid = ~0U;
    if (bpf_core_field_exists(task->loginuid)) who->login_uid = BPF_CORE_READ(task, loginuid.val);
    identify_powers(task, who);
}

static __always_inline void count_lost(void) {
    __u32 zero = 0;
    __u64* count = bpf_map_lookup_elem(&lost, &zero);
    if (count) __sync_fetch_and_add(count, 1);
}

static __always_inline bool is_told_already(const struct assent_event* event) {
    struct assent_quiet_key key = {};
    key.cgroup_id = event->who.cgroup_id;
    key.address = event->address;
    key.kind = event->kind;
    key.port = event->port;
    key.protocol = (__u16)event->protocol;
    __u64 now = bpf_ktime_get_ns();
    __u64* last = bpf_map_lookup_elem(&quiet, &key);
    if (last && now - *last < 1000000000ULL) return true;
    bpf_map_update_elem(&quiet, &key, &now, BPF_ANY);
    return false;
}

// The cgroup has told as much as it may. Asking for a network is never cut: it is held back by itself.
static __always_inline bool is_cut(const struct assent_event* event) {
    if (event->kind == ASSENT_ASKS_FOR_NETWORK) return false;
    __u64 cgroup_id = event->who.cgroup_id;
    __u64 now = bpf_ktime_get_ns();
    struct assent_voice* voice = bpf_map_lookup_elem(&voices, &cgroup_id);
    if (!voice) {
        struct assent_voice first = {.filled_ns = now, .left = ASSENT_EVENTS_AT_ONCE - 1};
        bpf_map_update_elem(&voices, &cgroup_id, &first, BPF_ANY);
        return false;
    }
    if (now - voice->filled_ns >= 1000000000ULL) {
        voice->filled_ns = now;
        voice->left = ASSENT_EVENTS_AT_ONCE;
    }
    if (voice->left == 0) {
        __sync_fetch_and_add(&voice->cut, 1);
        return true;
    }
    --voice->left;  // of two at once one may go uncounted
    return false;
}

static __always_inline void tell(struct assent_event* event) {
    if (is_told_already(event) || is_cut(event)) return;
    if (bpf_ringbuf_output(&events, event, sizeof(*event), 0) != 0) count_lost();
}

static __noinline int tell_current(__u32 kind, __u32 family, __u32 socket_type, __u32 protocol,
                                   const struct assent_address* address, __u32 port) {
    struct assent_event event = {};
    if (!address) return 0;
    identify(&event.who);
    event.address = *address;
    event.kind = kind;
    event.family = family;
    event.socket_type = socket_type;
    event.protocol = protocol;
    event.port = (__u16)port;
    tell(&event);
    return 0;
}

#endif

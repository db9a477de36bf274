// Names of unix sockets, as the hooks of connect() and sendto() see them.
#ifndef ASSENT_UNIX_NAMES_H
#define ASSENT_UNIX_NAMES_H

#include "common.h"

// The kernel's view of the context (CO-RE finds the fields by name).
struct bpf_sock_addr_kern {
    void* uaddr;
    __u32 uaddrlen;
} __attribute__((preserve_access_index));

extern void* bpf_cast_to_kern_ctx(void* context) __ksym __weak;

// False: there is no name, or it is too long.
static __always_inline bool read_unix_name(struct bpf_sock_addr_kern* context, struct assent_unix_name* out) {
    __u32 length = context->uaddrlen;
    const __u32 family_size = sizeof(__u16);
    if (length <= family_size || length > family_size + ASSENT_UNIX_NAME) return false;
    length -= family_size;
    forget_range(length);
    if (length == 0 || length > ASSENT_UNIX_NAME) return false;
    if (bpf_probe_read_kernel(out->bytes, length, (const char*)context->uaddr + family_size) != 0) return false;
    if (out->bytes[0] != 0) {  // a path ends at its first zero byte, whatever is behind it
        __u32 end = 0;
        for (__u32 i = 0; i < ASSENT_UNIX_NAME; ++i) {
            if (out->bytes[i] == 0) break;
            ++end;
        }
        for (__u32 i = 0; i < ASSENT_UNIX_NAME; ++i)
            if (i >= end) out->bytes[i] = 0;
        length = end;
    }
    out->length = length;
    return true;
}

static __always_inline void hash_name(const struct assent_unix_name* name, struct assent_address* out) {
    __u32 hash = 2166136261U;
    for (__u32 i = 0; i < ASSENT_UNIX_NAME; ++i) hash = (hash ^ (__u8)name->bytes[i]) * 16777619U;
    out->words[0] = hash;
    out->words[1] = name->length;
}

static __noinline int tell_unix(struct assent_unix_name* name, __u32 socket_type, __u32 kind) {
    if (!name) return 0;
    struct assent_event event = {};
    identify(&event.who);
    hash_name(name, &event.address);  // so that each name is told, once a second
    event.kind = kind;
    event.family = AF_UNIX;
    event.socket_type = socket_type;
    if (is_told_already(&event) || is_cut(&event)) return 0;
    struct assent_unix_event* out = bpf_ringbuf_reserve(&events, sizeof(*out), 0);
    if (!out) {
        count_lost();
        return 0;
    }
    __builtin_memcpy(&out->event, &event, sizeof(event));
    __builtin_memcpy(&out->name, name, sizeof(*name));
    bpf_ringbuf_submit(out, 0);
    return 0;
}

// In a user namespace of its own a process mounts what it likes where a path was, the proxy's too.
static __always_inline bool is_in_first_user_namespace(void) {
    struct task_struct* task = (struct task_struct*)bpf_get_current_task();
    return BPF_CORE_READ(task, cred, user_ns, level) == 0;
}

// Abstract names belong to network namespaces: in another one than the daemon's anybody may have taken the listed one.
static __always_inline bool is_abstract_elsewhere(struct bpf_sock_addr* ctx, const struct assent_unix_name* name) {
    const struct assent_config* settings = read_config();
    if (name->bytes[0] != 0) return false;
    return !settings || bpf_get_netns_cookie(ctx) != settings->host_netns_cookie;
}

static __always_inline struct assent_unix_rule* find_unix_rule(const struct assent_unix_name* name) {
    struct assent_unix_rule* rule = bpf_map_lookup_elem(&unix_rules, name);
    if (rule) return rule;
    const struct assent_unix_name others = {};
    return bpf_map_lookup_elem(&unix_rules, &others);
}

#endif

// Every map of the programs. Definitions are weak: each program's file carries them and the linker keeps one.
#ifndef ASSENT_MAPS_H
#define ASSENT_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct assent_config);
} config __weak SEC(".maps");

// Unix sockets that may be connected to; every other is refused.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct assent_unix_name);
    __type(value, struct assent_unix_rule);
} unix_rules __weak SEC(".maps");

// In an agent's socket: what it asked for.
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct assent_origin);
} origins __weak SEC(".maps");

// In a socket that the daemon accepted: what the agent's socket asked for.
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct assent_origin);
} accepted __weak SEC(".maps");

// Between the two. When it is full the oldest goes, and its connection is closed by the daemon as of unknown origin.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct assent_pending_key);
    __type(value, struct assent_origin);
} pending __weak SEC(".maps");

// In an agent's socket: the resolvers that it has asked.
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct assent_asked);
} asked __weak SEC(".maps");

// Who sent a DNS query. When it is full the oldest goes, and the daemon does not answer its query.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, struct assent_pending_key);
    __type(value, struct assent_origin);
} senders __weak SEC(".maps");

// The daemon's sockets in other network namespaces, and by inheritance (BPF_F_CLONE) what they accept: nobody else's has it.
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, __u32);
} doors __weak SEC(".maps");

// Network namespaces, by their cookie, in which the daemon does not listen although it was asked to, and until when.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, __u64);
} refused_networks __weak SEC(".maps");

// When the daemon was last seen to live, in nanoseconds since boot, without suspend.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} heartbeat __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} events __weak SEC(".maps");

// How many events found no room.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} lost __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, struct assent_quiet_key);
    __type(value, __u64);
} quiet __weak SEC(".maps");

// How much each cgroup has told lately: what one agent tries, however often, leaves room for what others try.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, ASSENT_VOICES);
    __type(key, __u64);
    __type(value, struct assent_voice);
} voices __weak SEC(".maps");

// Cgroups that are governed, themselves and what is below them; for the programs of the security module.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, __u32);
} governed_cgroups __weak SEC(".maps");

// Cgroups whose links are all there, and those that are never governed.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, __u32);
} attached_cgroups __weak SEC(".maps");

// Which new cgroups may have no sockets until they are governed.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct assent_gate);
} gate __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, ASSENT_GLOBS);
    __type(key, __u32);
    __type(value, struct assent_glob);
} gate_globs __weak SEC(".maps");

// Cgroups that no pattern fits, by the generation of the patterns: a cgroup never changes its name.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, __u32);
} gate_passes __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct assent_guard);
} guard __weak SEC(".maps");

// Unix sockets that agents may connect to, when `guard` says that others are closed.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct assent_unix_key);
    __type(value, __u32);
} unix_sockets __weak SEC(".maps");

#endif

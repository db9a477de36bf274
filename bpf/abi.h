// What the BPF programs and the daemon share: keys, values and events. Plain C, read by both sides. Whoever changes a
// layout or the meaning of a field here raises ASSENT_ABI_VERSION, and ASSENT_STATE_VERSION where it is not assent_config's:
// a daemon that finds other maps pinned makes new ones.
#ifndef ASSENT_ABI_H
#define ASSENT_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#ifndef ASSENT_ABI_VERSION
#define ASSENT_ABI_VERSION 6
#endif
// Of every layout and meaning but assent_config's. Programs of another version with the same state go on with the maps that
// are pinned, so that connections on their way arrive. Above ASSENT_PORTS_MAXIMUM, which version 4 had in its place.
#ifndef ASSENT_STATE_VERSION
#define ASSENT_STATE_VERSION 106
#endif
#define ASSENT_PORT_LIMIT 1024  // the proxy's ports are below: only root can take them
#define ASSENT_PORTS_MAXIMUM 16
#define ASSENT_PENDING_SECONDS 60    // between connect and accept; an older entry is not believed
#define ASSENT_LOOPBACK_INTERFACE 1  // its index in every network namespace
#define ASSENT_DNS_PORT 53
#define ASSENT_CGROUP_DEPTH 32      // a governed cgroup is less deep; what is below it may be deeper by as much
#define ASSENT_UNIX_NAME 108        // bytes of a unix socket's name at most
#define ASSENT_DNS_SLOTS 4          // resolvers that one socket can wait for at a time
#define ASSENT_EVENTS_AT_ONCE 256   // of one cgroup, and as many again each second: a twentieth of what the ring holds
#define ASSENT_VOICES 1024          // cgroups whose telling is counted
#define ASSENT_HEARTBEAT_SECONDS 4  // a daemon that wrote nothing to `heartbeat` for so long is dead

// The only element of the array map `config`. A missing or zero configuration refuses everything.
struct assent_config {
    __u32 abi_version;  // these two stay first for ever
    __u32 state_version;
    __u32 port_count;
    __u32 padding;
    __u16 ports[ASSENT_PORTS_MAXIMUM];        // host order
    __u64 port_bits[ASSENT_PORT_LIMIT / 64];  // the same ports, one bit each
    __u64 host_netns_cookie;                  // the daemon's own network namespace: in others, who listens is looked up
};

// An IPv6 address; IPv4 is v4-mapped (::ffff:a.b.c.d), so that one address has one form.
struct assent_address {
    __u32 words[4];  // network order
};

// Who did it, as the kernel saw it in the process's own system call.
struct assent_identity {
    __u64 cgroup_id;
    __u64 start_time_ns;  // of the process, since boot
    __u64 exe_inode;
    __u32 exe_device;  // the kernel's form: major << 20 | minor
    __u32 pid;         // of the process (thread group)
    __u32 uid;
    __u32 login_uid;  // ~0: none
    char comm[16];
    __u64 held;  // capabilities that it has, permitted or effective; of a user namespace of its own those over its network
                 // only
    __u64 bounding;  // and those that it could get from setuid programs, unless ASSENT_NO_NEW_PRIVILEGES
    __u32 flags;     // ASSENT_NO_NEW_PRIVILEGES, ASSENT_HAS_FILTER
    __u32 padding;
};
#define ASSENT_NO_NEW_PRIVILEGES 1
#define ASSENT_HAS_FILTER 2  // of system calls (seccomp)

// In the agent's socket and, after accept, in the daemon's.
struct assent_origin {
    struct assent_identity who;
    struct assent_address asked_for;
    __u64 netns_cookie;
    __u64 time_ns;  // since boot, without suspend
    __u16 port;     // host order
    __u8 is_redirected;
    __u8 padding[5];
};

// The resolvers that an agent's socket has asked. The first slot stands for the first of the proxy's ports, and so on: the
// port that an answer comes from says whose place it takes.
struct assent_asked {
    struct assent_address resolvers[ASSENT_DNS_SLOTS];  // all zero: free
    __u32 next;                                         // the slot that is taken when none is free
};

// Finds a connection, or the sender of a datagram, that is on its way from an agent's socket to the daemon's.
struct assent_pending_key {
    struct assent_address source;
    __u64 netns_cookie;
    __u16 source_port;  // host order
    __u16 proxy_port;   // host order
    __u32 padding;
};

enum assent_event_kind {
    ASSENT_REFUSED_CONNECT = 0,
    ASSENT_REFUSED_SEND = 1,
    ASSENT_REFUSED_BIND = 2,
    ASSENT_REFUSED_SOCKET = 3,
    ASSENT_REFUSED_LISTEN = 4,
    ASSENT_DROPPED_PACKET = 5,
    ASSENT_REFUSED_UNIX = 6,
    ASSENT_REFUSED_OPTION = 7,  // setsockopt(); `protocol` is the option
    ASSENT_REFUSED_NEW = 8,     // in a new cgroup, which is to be governed and is not yet
    // Of the programs of the security module.
    ASSENT_REFUSED_FOREIGN = 16,  // use of a socket that was made outside
    ASSENT_REFUSED_PROCESS = 17,  // reaching into a process outside, or a signal to the daemon
    ASSENT_REFUSED_BPF = 18,      // bpf(), or changing what is pinned
    ASSENT_REFUSED_MOUNT = 19,    // over or away with the file systems that governing stands on
    ASSENT_REFUSED_CGROUP = 20,   // writing to a cgroup that is not its own or below
    ASSENT_REFUSED_DEVICE = 21,   // a TUN or TAP device
    // Not an attempt: the daemon is to listen in a network namespace. `address` begins with its cookie (two words),
    // `socket_type` is the thread.
    ASSENT_ASKS_FOR_NETWORK = 32,
};

struct assent_event {
    struct assent_identity who;
    struct assent_address address;
    __u32 kind;
    __u32 family;
    __u32 socket_type;  // of ASSENT_REFUSED_PROCESS the other process
    __u32 protocol;     // of ASSENT_REFUSED_PROCESS the signal, or 0
    __u16 port;         // host order
    __u16 padding[3];
};

// A path as it was written, or an abstract name, which begins with a zero byte. Zero behind its length.
struct assent_unix_name {
    __u32 length;
    char bytes[ASSENT_UNIX_NAME];
};

enum assent_unix_action {
    ASSENT_UNIX_REFUSE = 0,    // without an event, unlike a name that is not in the map
    ASSENT_UNIX_PASS = 1,      // the daemon's own control socket, and datagrams that are listed
    ASSENT_UNIX_REDIRECT = 2,  // streams only
};

// In the map `unix_rules`, by name; the name of length 0 stands for every other.
struct assent_unix_rule {
    __u32 action;
    __u32 proxy_length;
    char proxy[ASSENT_UNIX_NAME];  // where the daemon listens for this name
};

struct assent_unix_event {
    struct assent_event event;  // `address` is not one
    struct assent_unix_name name;
};

// Events of one kind, cgroup and address are told once a second.
struct assent_quiet_key {
    __u64 cgroup_id;
    struct assent_address address;
    __u32 kind;
    __u16 port;
    __u16 protocol;
};

// Of one cgroup: how many events it may still tell.
struct assent_voice {
    __u64 filled_ns;  // when `left` was filled up for the last time
    __u64 cut;        // events that were not told, since the cgroup was first heard
    __u32 left;
    __u32 padding;
};

// The only element of the array map `guard`: what the programs of the security module go by. All zero: they let everything
// pass, since they see every process of the host.
struct assent_guard {
    __u64 daemon_cgroup;        // signals to processes in it are refused, and its calls of socket() counted; 0: none
    __u32 governed_levels;      // one bit a depth at which a cgroup of `governed_cgroups` is
    __u32 mount_namespaces[2];  // their inodes, the host's and the daemon's: mounts are held there, and where they spread
    __u32 is_unix_closed;       // agents connect only to unix sockets of `unix_sockets`, and to each other's
    __u32 trial_count;          // of those calls: so the daemon knows that the programs run
    __u32 padding;
};

// A unix socket: a file by its place, or an abstract name (without its leading zero byte). Unused bytes are zero.
struct assent_unix_key {
    __u64 inode;
    __u32 device;  // the kernel's form: major << 20 | minor
    __u32 name_size;
    char name[ASSENT_UNIX_NAME];
    __u32 padding;
};

#define ASSENT_GLOBS 64         // parts of patterns at most, one bit each
#define ASSENT_CGROUP_NAME 256  // bytes of a cgroup's name and its zero

// What the map `attached_cgroups` says of a cgroup.
#define ASSENT_ATTACHED 1  // all links are there, for everything below it too
#define ASSENT_SPARED 2    // it holds the daemon, and is never governed, whatever its own name

// In the array map `gate_globs`: a part of a pattern as a machine that reads a name. Bit i of its state: the first i things
// of the pattern have been read.
struct assent_glob {
    __u64 accepts[256];  // by character: the bits that it leads to the next one
    __u64 stays;         // the bits that every character leaves: a '*' is there
    __u64 ends;          // the bit at which everything has been read
};

// The only element of the array map `gate`: which names new cgroups are known by. All zero: everything passes.
struct assent_gate {
    __u64 top;         // the cgroup that the programs are attached to; names count below it
    __u64 slices;      // one bit a glob: fits the names of slices
    __u64 units;       // of units: below slices only
    __u64 path_first;  // the last part of a path, and so on upwards by the next bit of each
    __u64 path_last;   // the first part of a path
    __u32 generation;  // of the patterns
    __u32 glob_count;
};

#endif

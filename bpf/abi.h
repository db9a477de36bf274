// What the BPF programs and the daemon share: keys, values and events. Plain C, read by both sides. Whoever changes a
// layout or the meaning of a field here raises ASSENT_ABI_VERSION: a daemon that finds other maps pinned makes new ones.
#ifndef ASSENT_ABI_H
#define ASSENT_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define ASSENT_ABI_VERSION 2
#define ASSENT_PORT_LIMIT 1024  // the proxy's ports are below: only root can take them
#define ASSENT_PORTS_MAXIMUM 16
#define ASSENT_DNS_SIZE 4096         // bytes kept of one DNS answer
#define ASSENT_PENDING_SECONDS 60    // between connect and accept; an older entry is not believed
#define ASSENT_LOOPBACK_INTERFACE 1  // its index in every network namespace
#define ASSENT_DNS_PORT 53
#define ASSENT_UNIX_NAME 108  // bytes of a unix socket's name at most

// The only element of the array map `config`. A missing or zero configuration refuses everything.
struct assent_config {
    __u32 abi_version;
    __u32 port_count;
    __u16 ports[ASSENT_PORTS_MAXIMUM];        // host order
    __u64 port_bits[ASSENT_PORT_LIMIT / 64];  // the same ports, one bit each
    __u64 host_netns_cookie;                  // DNS answers are learned in this network namespace only
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
};

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

// Finds a connection that is on its way from an agent's socket to the daemon's.
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
    ASSENT_DNS_ANSWER = 6,
    ASSENT_REFUSED_UNIX = 7,
    ASSENT_REFUSED_OPTION = 8,  // setsockopt(); `protocol` is the option
};

struct assent_event {
    struct assent_identity who;
    struct assent_address address;
    __u32 kind;
    __u32 family;
    __u32 socket_type;
    __u32 protocol;
    __u16 port;  // host order
    __u16 padding;
    __u32 dns_size;  // of the whole answer; more than ASSENT_DNS_SIZE: it was cut
};

struct assent_dns_event {
    struct assent_event event;
    __u8 bytes[ASSENT_DNS_SIZE];
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

#endif

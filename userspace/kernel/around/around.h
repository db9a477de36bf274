// The ways around assent that an agent may try, each tried for real: every way is one small function, run in a process of
// its own in a governed cgroup, as one kind of agent, against another host that says what reached it. That host is a network
// namespace at the end of a pair of interfaces, and this end is a new namespace too: nothing leaves the machine, and nothing
// is left when the process ends. Plain C that needs the C library alone, so that the same battery runs in a bare machine.
#ifndef ASSENT_AROUND_H
#define ASSENT_AROUND_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum around_agent {
    AROUND_OUTSIDE = 0,  // root in no governed cgroup: shows that the way works at all on this kernel
    AROUND_ROOT,         // root with every capability
    AROUND_USER,         // an ordinary user, nothing else restricted
    AROUND_RUN,          // an ordinary user, confined as `assent run` does it
    AROUND_AGENTS,
};

// One way that was tried. Which of the flags are set decides what it is called; see around_result().
struct around_row {
    const char* way;
    const char* what;  // for people
    enum around_agent agent;
    int family;                    // 4, 6; 0: the way has none
    int error;                     // the errno that the agent saw; 0: none
    char stage[24];                // the call that gave it, or the last one that worked
    int signal;                    // that ended the agent; 0: none
    bool has_arrived;              // bytes were seen outside, or came in from there
    bool is_redirected;            // the proxy's listener took a connection
    bool has_opened;               // something that leads outside was opened, though no bytes were shown to go there
    unsigned long long cgroup_id;  // its own, so that the kernel's events can be told apart
};

struct around_options {
    const char* cgroup;           // folder of the governed cgroup: each attempt runs in a child of it that is removed again
    const char* cgroup_root;      // where cgroup 2 is mounted
    const char* bpffs;            // where assent's links are pinned; NULL: those ways are left out
    const unsigned short* ports;  // of the proxy: around_run() listens on them, on the loopback addresses
    size_t port_count;
    int config;          // the BPF map `config`: this end becomes the daemon's own network namespace; 0: it is not
    unsigned agents;     // bits: 1 << AROUND_ROOT and so on
    const char* only;    // one way by name. NULL: all of them but those that break what holds the agents
    bool is_users_host;  // leave out what could do harm to others if it works
    int (*confine)(void* context);  // of AROUND_RUN: filters system calls; 0 or an errno
    void (*seen)(const struct around_row* row, void* context);
    void* context;  // of both
};

// Tries them, one after the other, and gives each row to options->seen. The calling process must be root, have one thread,
// run in the daemon's cgroup, and end soon after: it is left in the new network namespace. 0, or an errno and in `why` what
// failed.
int around_run(const struct around_options* options, char* why, size_t why_size);

// "leaks", "opens", "redirected", "refused" (with an errno, or killed) or "dropped" (the agent saw no error, and nothing
// arrived).
const char* around_result(const struct around_row* row);
const char* around_agent_name(enum around_agent agent);
// The ways that break what holds the agents when they work, to be tried alone; NULL behind the last.
const char* around_breaking_way(size_t index);

// Sockets that cannot be governed, for others who want to know what opens here. A domain of 0 is AF_INET or AF_INET6.
struct around_socket_kind {
    const char* name;
    const char* what;
    int domain;
    int type;
    int protocol;
};
extern const struct around_socket_kind around_inet_kinds[];   // refused by the hook of socket()
extern const struct around_socket_kind around_other_kinds[];  // cgroup hooks do not see them. Both end with a NULL name

#ifdef __cplusplus
}
#endif
#endif

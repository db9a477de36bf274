// What the ways share: the ground they are tried on, how they tell what happened, and the calls that most of them make.
// Private to around/.
#ifndef ASSENT_AROUND_WAY_H
#define ASSENT_AROUND_WAY_H

#include <sys/socket.h>
#include <sys/types.h>

#include "around/around.h"

#define NEAR4 "10.231.7.1"
#define FAR4 "10.231.7.2"
#define NEAR6 "fd0a:7e57::1"
#define FAR6 "fd0a:7e57::2"
#define FAR_LINK6 "fe80::2"
#define NEAR_INTERFACE "near0"
#define FAR_INTERFACE "far0"
#define FAR_PORT 4433      // listens on the other host, TCP
#define LOCAL_PORT 4434    // listens on this host, not the proxy: a database that is a target too
#define INBOUND_PORT 4435  // where agents listen
#define RESOLVER "127.0.0.77"
#define NOBODY 65534

// Every byte that a way sends begins with these, so that they are found in whatever packet arrives.
#define MARK "assent!!"
#define MARK_SIZE 8
// The same as the end of an IPv6 group.
#define MARK_GROUP6 "ff05::6173:7365:6e74:2121"

static const unsigned char near_mac[6] = {2, 0, 0, 0, 7, 1};
static const unsigned char far_mac[6] = {2, 0, 0, 0, 7, 2};

struct ground {
    const struct around_options* options;
    pid_t runner;
    int far_namespace;  // a descriptor of the runner
    // A stand-in for the daemon, in its cgroup, and a process of the agents' user in no governed cgroup. Both have a UDP
    // socket at STAND_IN_SOCKET that is connected to the other host.
    pid_t daemon;
    pid_t neighbour;
    unsigned long long governed_id;
    char unix_path[64];
    char abstract_name[64];
};
#define STAND_IN_SOCKET 77

struct attempt {
    const struct ground* ground;
    int family;
    const char* stage;  // the last call
    bool has_opened;
    bool has_received;  // something came in from outside
    const char* own_cgroup;
    int held;  // a descriptor that prepare() leaves for run(); AROUND_RUN has lost it by then
    const struct around_socket_kind* kind;
};

enum {
    V4 = 1,
    V6 = 2,
    BOTH = V4 | V6,
    ONCE = 4,      // neither
    INBOUND = 8,   // calls ready() and waits for a connection
    BREAKS = 16,   // afterwards agents may be free, or the network other: to be tried alone
    OTHERS = 32,   // could harm a process or setting that is not ours, or needs what a user's host does not have
    PINNED = 64,   // needs the bpffs
    MARKED = 128,  // only packets with the mark count: it has connected before it was an agent
};

struct way {
    const char* name;
    const char* what;
    int (*run)(struct attempt* attempt);      // 0, or the errno that stopped it
    int (*prepare)(struct attempt* attempt);  // before it enters the cgroup and becomes the agent; may be NULL
    unsigned flags;
    const struct around_socket_kind* kind;
};

// One table a file; each ends with a NULL name.
extern const struct way ways_of_tcp[];
extern const struct way ways_of_udp[];
extern const struct way ways_of_sockets[];
extern const struct way ways_of_rings[];
extern const struct way ways_of_others_sockets[];
extern const struct way ways_of_cgroups[];
extern const struct way ways_of_inbound[];
extern const struct way ways_of_local[];
extern const struct way ways_of_kernel[];
extern const struct way ways_of_processes[];

// The ways that kinds of sockets are: sent by, or, where the addresses are not this network's, opened.
int send_by_kind(struct attempt* attempt);
int open_of_kind(struct attempt* attempt);

struct place {
    struct sockaddr_storage address;
    socklen_t size;
};
static inline const struct sockaddr* at(const struct place* place) { return (const struct sockaddr*)&place->address; }

struct place place_of(const char* ip, unsigned short port);
struct place far_place(const struct attempt* attempt, unsigned short port);
struct place near_place(const struct attempt* attempt, unsigned short port);
struct place loopback_place(const struct attempt* attempt, unsigned short port);
struct place unix_place(const char* path_or_abstract, bool is_abstract);

// Remembers the call and gives errno.
int failed(struct attempt* attempt, const char* stage);
// A socket that does not wait for more than a fraction of a second; -1.
int open_socket(struct attempt* attempt, int domain, int type, int protocol);
// Each gives 0 or the errno. say: sends the mark on a connected socket. reach: connects, then says. throw_at: sendto().
int say(struct attempt* attempt, int socket);
int reach(struct attempt* attempt, int socket, const struct place* to);
int throw_at(struct attempt* attempt, int socket, const struct place* to);
// A new UDP socket, and throw_at() the other host: what a way does once it believes to be free.
int send_out(struct attempt* attempt);
// A UDP socket connected to the other host; -1.
int connected_out(int family);
// The agent listens: the runner now connects to it.
void ready(void);
// The number of the interface to the other host.
int near_index(void);
int write_file(const char* path, const char* text);

#endif

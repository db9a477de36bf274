// Sockets that were made by somebody, or at a time, that is not governed. Hooks follow the cgroup that a socket was made in.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "around/way.h"

static int hold(struct attempt* attempt, int socket) {
    if (socket < 0) return failed(attempt, "prepare");
    attempt->held = socket;
    return 0;
}

static int hold_connected_udp(struct attempt* attempt) { return hold(attempt, connected_out(attempt->family)); }

static int hold_udp(struct attempt* attempt) { return hold(attempt, socket(attempt->family, SOCK_DGRAM, 0)); }

static int hold_tcp(struct attempt* attempt) { return hold(attempt, open_socket(attempt, attempt->family, SOCK_STREAM, 0)); }

static int hold_connected_tcp(struct attempt* attempt) {
    const int out = open_socket(attempt, attempt->family, SOCK_STREAM, 0);
    const struct place to = far_place(attempt, FAR_PORT);
    if (out < 0 || connect(out, at(&to), to.size) != 0) return failed(attempt, "prepare");
    return hold(attempt, out);
}

static int hold_raw(struct attempt* attempt) { return hold(attempt, socket(attempt->family, SOCK_RAW, IPPROTO_UDP)); }

static int say_on_held(struct attempt* attempt) { return say(attempt, attempt->held); }

static int throw_on_held(struct attempt* attempt) {
    const struct place to = far_place(attempt, FAR_PORT);
    return throw_at(attempt, attempt->held, &to);
}

static int throw_raw_on_held(struct attempt* attempt) {
    const struct place to = far_place(attempt, 0);
    return throw_at(attempt, attempt->held, &to);
}

static int reach_on_held(struct attempt* attempt) {
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, attempt->held, &to);
}

union descriptor_message {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static struct msghdr message_of(struct iovec* piece, union descriptor_message* control) {
    memset(control, 0, sizeof(*control));
    struct msghdr out = {
        .msg_iov = piece, .msg_iovlen = 1, .msg_control = control->bytes, .msg_controllen = sizeof(control->bytes)};
    return out;
}

static struct place giver_place(const struct attempt* attempt) {
    char path[100];
    snprintf(path, sizeof(path), "%s-%s", attempt->ground->unix_path, strrchr(attempt->own_cgroup, '/') + 1);
    return unix_place(path, false);
}

// A helper outside the cgroup that gives a connected socket to whoever asks.
static int start_giver(struct attempt* attempt) {
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    const struct place place = giver_place(attempt);
    if (bind(listener, at(&place), place.size) != 0 || listen(listener, 1) != 0) return failed(attempt, "prepare");
    if (chmod(((const struct sockaddr_un*)&place.address)->sun_path, 0777) != 0) return failed(attempt, "prepare");
    const pid_t child = fork();
    if (child != 0) {
        close(listener);
        return child < 0 ? failed(attempt, "fork") : 0;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int client = accept(listener, NULL, NULL);
    struct iovec piece = {.iov_base = "x", .iov_len = 1};
    union descriptor_message control;
    struct msghdr message = message_of(&piece, &control);
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int given = connected_out(attempt->family);
    memcpy(CMSG_DATA(header), &given, sizeof(given));
    if (sendmsg(client, &message, 0) < 0) _exit(1);
    pause();
    _exit(0);
}

static int take_from_giver(struct attempt* attempt) {
    const int socket = open_socket(attempt, AF_UNIX, SOCK_STREAM, 0);
    const struct place place = giver_place(attempt);
    if (socket < 0 || connect(socket, at(&place), place.size) != 0) return failed(attempt, "connect");
    char byte = 0;
    struct iovec piece = {.iov_base = &byte, .iov_len = 1};
    union descriptor_message control;
    struct msghdr message = message_of(&piece, &control);
    if (recvmsg(socket, &message, 0) < 0) return failed(attempt, "recvmsg");
    const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    attempt->stage = "recvmsg";
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) return EACCES;
    int taken = -1;
    memcpy(&taken, CMSG_DATA(header), sizeof(taken));
    return say(attempt, taken);
}

static int take_from(struct attempt* attempt, pid_t process) {
    const int handle = (int)syscall(SYS_pidfd_open, process, 0);
    if (handle < 0) return failed(attempt, "pidfd_open");
    const int taken = (int)syscall(SYS_pidfd_getfd, handle, STAND_IN_SOCKET, 0);
    if (taken < 0) return failed(attempt, "pidfd_getfd");
    // What somebody said on it before may have been answered: nobody listens for it over there.
    int pending = 0;
    socklen_t size = sizeof(pending);
    getsockopt(taken, SOL_SOCKET, SO_ERROR, &pending, &size);
    return say(attempt, taken);
}

static int take_from_neighbour(struct attempt* attempt) { return take_from(attempt, attempt->ground->neighbour); }
static int take_from_daemon(struct attempt* attempt) { return take_from(attempt, attempt->ground->daemon); }

static int open_in_proc(struct attempt* attempt) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", attempt->ground->neighbour, STAND_IN_SOCKET);
    const int taken = open(path, O_RDWR | O_CLOEXEC);
    if (taken < 0) return failed(attempt, "open");
    return say(attempt, taken);
}

const struct way ways_of_others_sockets[] = {
    {"inherited", "a connected UDP socket, inherited", say_on_held, hold_connected_udp, BOTH, NULL},
    {"inherited-tcp", "a TCP connection, inherited", say_on_held, hold_connected_tcp, BOTH | MARKED, NULL},
    {"inherited-raw", "a raw socket, inherited", throw_raw_on_held, hold_raw, BOTH, NULL},
    {"made-before", "a UDP socket made before the cgroup was entered", throw_on_held, hold_udp, BOTH, NULL},
    {"made-before-tcp", "a TCP socket made before the cgroup was entered", reach_on_held, hold_tcp, BOTH, NULL},
    {"handed-in", "a socket handed in over a unix socket (SCM_RIGHTS)", take_from_giver, start_giver, BOTH, NULL},
    {"taken", "a socket taken from a process of the same user (pidfd_getfd)", take_from_neighbour, NULL, ONCE, NULL},
    {"taken-daemon", "a socket taken from the daemon (pidfd_getfd)", take_from_daemon, NULL, ONCE, NULL},
    {"taken-proc", "a socket of a process of the same user, opened in /proc", open_in_proc, NULL, ONCE, NULL},
    {NULL, NULL, NULL, NULL, 0, NULL},
};

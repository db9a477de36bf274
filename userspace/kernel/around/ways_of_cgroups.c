// Out of the governed cgroup, or of the network namespace: other cgroups, and namespaces of every kind.
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "around/netlink.h"
#include "around/way.h"

static int enter(struct attempt* attempt, const char* folder) {
    char path[640];
    snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
    const int error = write_file(path, "0");
    attempt->stage = "cgroup.procs";
    return error != 0 ? error : send_out(attempt);
}

static int into_the_root(struct attempt* attempt) { return enter(attempt, attempt->ground->options->cgroup_root); }

static int into_a_child(struct attempt* attempt) {
    char folder[512];
    snprintf(folder, sizeof(folder), "%s/child", attempt->own_cgroup);
    if (mkdir(folder, 0755) != 0) return failed(attempt, "mkdir");
    return enter(attempt, folder);
}

static int born_elsewhere(struct attempt* attempt) {
    const int folder = open(attempt->ground->options->cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return failed(attempt, "open");
    struct clone_args arguments = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned long long)folder};
    const long child = syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (child < 0) return failed(attempt, "clone3");
    if (child == 0) _exit(send_out(attempt));
    int status = 0;
    if (waitpid((pid_t)child, &status, 0) < 0) return failed(attempt, "waitpid");
    attempt->stage = "sendto";
    return WEXITSTATUS(status);
}

// The cgroup file system mounted anew, from where the namespace lets it be seen.
static int mounted_anew(struct attempt* attempt, int namespaces) {
    if (unshare(namespaces) != 0) return failed(attempt, "unshare");
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return failed(attempt, "mount private");
    if (mount("cgroup2", "/mnt", "cgroup2", 0, NULL) != 0) return failed(attempt, "mount");
    return enter(attempt, "/mnt");
}

static int mounted_by_root(struct attempt* attempt) { return mounted_anew(attempt, CLONE_NEWNS); }

static int mounted_in_namespaces(struct attempt* attempt) {
    return mounted_anew(attempt, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP);
}

static int own_user_namespace(struct attempt* attempt) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWNS) != 0) return failed(attempt, "unshare");
    return send_out(attempt);
}

static int raw_in_user_namespace(struct attempt* attempt) {
    if (unshare(CLONE_NEWUSER) != 0) return failed(attempt, "unshare");
    const int socket = open_socket(attempt, attempt->family, SOCK_RAW, 255);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, 0);
    return throw_at(attempt, socket, &to);
}

static int own_network(struct attempt* attempt) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return failed(attempt, "unshare");
    attempt->stage = "raising lo";
    const int error = link_raise("lo");
    if (error != 0) return error;
    const int socket = open_socket(attempt, attempt->family, SOCK_STREAM, 0);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

// In a network of its own the agent could be the proxy.
static int own_proxy(struct attempt* attempt) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return failed(attempt, "unshare");
    attempt->stage = "raising lo";
    const int error = link_raise("lo");
    if (error != 0) return error;
    const int socket = open_socket(attempt, attempt->family, SOCK_STREAM, 0);
    if (socket < 0) return errno;
    const struct place place = loopback_place(attempt, attempt->ground->options->ports[0]);
    if (bind(socket, at(&place), place.size) != 0) return failed(attempt, "bind");
    attempt->stage = "bind";
    attempt->has_opened = true;
    return 0;
}

static int enter_far(struct attempt* attempt) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", attempt->ground->runner, attempt->ground->far_namespace);
    const int other = open(path, O_RDONLY | O_CLOEXEC);
    if (other < 0) return failed(attempt, "open");
    if (setns(other, CLONE_NEWNET) != 0) return failed(attempt, "setns");
    return 0;
}

static int far_network(struct attempt* attempt) {
    const int error = enter_far(attempt);
    if (error != 0) return error;
    const int socket = open_socket(attempt, attempt->family, SOCK_STREAM, 0);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

const struct way ways_of_cgroups[] = {
    {"cgroup-root", "moving itself to the root cgroup", into_the_root, NULL, BOTH, NULL},
    {"cgroup-child", "moving itself to a child cgroup", into_a_child, NULL, BOTH, NULL},
    {"cgroup-clone", "a child born in another cgroup (CLONE_INTO_CGROUP)", born_elsewhere, NULL, BOTH, NULL},
    {"cgroup-mount", "mounting cgroup 2 anew, and moving", mounted_by_root, NULL, BOTH, NULL},
    {"cgroup-namespaces", "the same in user, mount and cgroup namespaces", mounted_in_namespaces, NULL, BOTH, NULL},
    {"user-namespace", "UDP in a user namespace of its own", own_user_namespace, NULL, BOTH, NULL},
    {"user-namespace-raw", "a raw socket in a user namespace of its own", raw_in_user_namespace, NULL, BOTH, NULL},
    {"network-namespace", "TCP in a network namespace of its own", own_network, NULL, BOTH, NULL},
    {"network-proxy", "being the proxy in a network namespace of its own", own_proxy, NULL, BOTH, NULL},
    {"setns", "entering the other host's network namespace", far_network, NULL, BOTH, NULL},
    {NULL, NULL, NULL, NULL, 0, NULL},
};

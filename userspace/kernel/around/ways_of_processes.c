// Making others do it: the daemon, or a process of the same user that is not governed.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "around/way.h"

static int opened(struct attempt* attempt, const char* stage, bool is_done) {
    if (!is_done) return failed(attempt, stage);
    attempt->stage = stage;
    attempt->has_opened = true;
    return 0;
}

static int trace(struct attempt* attempt, pid_t process) {
    return opened(attempt, "ptrace", ptrace(PTRACE_SEIZE, process, NULL, NULL) == 0);
}

static int open_memory(struct attempt* attempt, pid_t process) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", process);
    return opened(attempt, "open", open(path, O_RDWR | O_CLOEXEC) >= 0);
}

// The other process came from the same one by fork(): this is at the same address there.
static char written_by_others[8];

static int write_memory(struct attempt* attempt, pid_t process) {
    struct iovec mine = {.iov_base = MARK, .iov_len = sizeof(written_by_others)};
    struct iovec theirs = {.iov_base = written_by_others, .iov_len = sizeof(written_by_others)};
    return opened(attempt, "process_vm_writev", process_vm_writev(process, &mine, 1, &theirs, 1, 0) > 0);
}

static int trace_neighbour(struct attempt* attempt) { return trace(attempt, attempt->ground->neighbour); }
static int trace_daemon(struct attempt* attempt) { return trace(attempt, attempt->ground->daemon); }
static int memory_of_neighbour(struct attempt* attempt) { return open_memory(attempt, attempt->ground->neighbour); }
static int memory_of_daemon(struct attempt* attempt) { return open_memory(attempt, attempt->ground->daemon); }
static int write_to_neighbour(struct attempt* attempt) { return write_memory(attempt, attempt->ground->neighbour); }
static int write_to_daemon(struct attempt* attempt) { return write_memory(attempt, attempt->ground->daemon); }

// One that nobody minds. SIGCONT would be allowed to everybody of the session.
static int signal_daemon(struct attempt* attempt) {
    return opened(attempt, "kill", kill(attempt->ground->daemon, SIGWINCH) == 0);
}

static int limit_daemon(struct attempt* attempt) {
    const struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    return opened(attempt, "prlimit", prlimit(attempt->ground->daemon, RLIMIT_FSIZE, &limit, NULL) == 0);
}

const struct way ways_of_processes[] = {
    {"trace-neighbour", "tracing a process of the same user", trace_neighbour, NULL, ONCE, NULL},
    {"memory-neighbour", "the memory of a process of the same user, in /proc", memory_of_neighbour, NULL, ONCE, NULL},
    {"write-neighbour", "writing to a process of the same user (process_vm_writev)", write_to_neighbour, NULL, ONCE, NULL},
    {"trace-daemon", "tracing the daemon", trace_daemon, NULL, ONCE, NULL},
    {"memory-daemon", "the daemon's memory, in /proc", memory_of_daemon, NULL, ONCE, NULL},
    {"write-daemon", "writing to the daemon (process_vm_writev)", write_to_daemon, NULL, ONCE, NULL},
    {"signal-daemon", "a signal to the daemon", signal_daemon, NULL, ONCE, NULL},
    {"limit-daemon", "lowering the daemon's limits", limit_daemon, NULL, ONCE, NULL},
    {NULL, NULL, NULL, NULL, 0, NULL},
};

// A Landlock domain of a process's own: from inside nobody can reach into processes outside (ptrace, /proc/PID/mem, also of
// the same user), and, where the kernel is new enough, neither signal them nor connect to their abstract unix sockets. Plain
// C, so that a program without libraries can do the same; private to kernel/ and its tests.
#ifndef ASSENT_KERNEL_OWN_DOMAIN_H
#define ASSENT_KERNEL_OWN_DOMAIN_H

#include <errno.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

// As in <linux/landlock.h> since Linux 6.12.
struct assent_landlock_rules {
    unsigned long long handled_files;
    unsigned long long handled_ports;
    unsigned long long scoped;
};
#define ASSENT_LANDLOCK_SCOPES 3ULL     // 1: abstract unix sockets, 2: signals
#define ASSENT_LANDLOCK_SCOPES_SINCE 6  // version of Landlock's interface
#define ASSENT_LANDLOCK_FIRST_SIZE 8    // of the structure in its first version

// For a process with no_new_privs. 0; EOPNOTSUPP or ENOSYS: there is no Landlock here, and nothing was done; or an errno.
static inline int assent_enter_own_domain(void) {
    const long version = syscall(SYS_landlock_create_ruleset, NULL, 0UL, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0) return errno == EPERM ? EOPNOTSUPP : errno;  // a container's filter of system calls is older than it
    struct assent_landlock_rules rules = {0, 0, 0};
    size_t size = sizeof(rules);
    if (version >= ASSENT_LANDLOCK_SCOPES_SINCE) {
        rules.scoped = ASSENT_LANDLOCK_SCOPES;
    } else {
        // A domain has to forbid something: block devices, which an agent cannot make anyway. Mounting goes with it.
        rules.handled_files = LANDLOCK_ACCESS_FS_MAKE_BLOCK;
        size = ASSENT_LANDLOCK_FIRST_SIZE;
    }
    const int domain = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0U);
    if (domain < 0) return errno;
    const int error = syscall(SYS_landlock_restrict_self, domain, 0U) == 0 ? 0 : errno;
    close(domain);
    return error;
}

#endif

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "around/report.h"
#include "around/world.h"

#define ATTEMPT_MS 3000

static const struct way* const tables[] = {
    ways_of_tcp,     ways_of_udp,     ways_of_sockets, ways_of_rings,     ways_of_others_sockets,
    ways_of_cgroups, ways_of_inbound, ways_of_local,   ways_of_processes, ways_of_kernel};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

static void report(const struct attempt* attempt, int error) {
    struct report out = {
        .is_final = true, .has_opened = attempt->has_opened, .has_received = attempt->has_received, .error = error};
    snprintf(out.stage, sizeof(out.stage), "%s", attempt->stage == NULL ? "" : attempt->stage);
    _exit(write(REPORT_DESCRIPTOR, &out, sizeof(out)) == sizeof(out) ? 0 : 1);
}

static bool become(enum around_agent agent, const struct around_options* options) {
    if (agent == AROUND_OUTSIDE || agent == AROUND_ROOT) return true;
    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return false;
    // As after execve().
    if (prctl(PR_SET_DUMPABLE, 1) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
    if (agent == AROUND_USER) return true;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || close_range(3, ~0U, 0) != 0) return false;
    return options->confine != NULL && options->confine(options->context) == 0;
}

static void be_agent(const struct way* way, struct attempt* attempt, enum around_agent agent, int members) {
    // One group with its helpers: those that stay root could not be ended by the death of a parent who is not.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    if (way->prepare != NULL) {
        const int error = way->prepare(attempt);
        if (error != 0) report(attempt, error);
    }
    attempt->stage = "entering the cgroup";
    if (write(members, "0", 1) != 1) report(attempt, errno);
    close(members);
    attempt->stage = "becoming the agent";
    if (!become(agent, attempt->ground->options)) report(attempt, errno);
    report(attempt, way->run(attempt));
}

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Until the last word of the attempt, or its end, or its time is over.
static void listen_to(struct world* world, int from, int family, struct around_row* row) {
    const long long deadline = now_ms() + ATTEMPT_MS;
    snprintf(row->stage, sizeof(row->stage), "no answer");
    for (long long left = ATTEMPT_MS; left > 0; left = deadline - now_ms()) {
        struct pollfd waited = {.fd = from, .events = POLLIN};
        struct report heard;
        if (poll(&waited, 1, (int)left) <= 0) continue;
        if (read(from, &heard, sizeof(heard)) != (ssize_t)sizeof(heard)) return;
        if (!heard.is_final) {
            world_knock(world, family);
            continue;
        }
        row->error = heard.error;
        row->has_opened = heard.has_opened;
        row->has_arrived = heard.has_received;
        memcpy(row->stage, heard.stage, sizeof(row->stage));
        return;
    }
}

static void remove_cgroup(const char* folder) {
    char child[600];
    snprintf(child, sizeof(child), "%s/child", folder);
    for (int i = 0; i < 50; ++i) {
        rmdir(child);
        if (rmdir(folder) == 0 || errno != EBUSY) return;
        usleep(2000);
    }
}

static int make_cgroup(const struct around_options* options, enum around_agent agent, char* folder, size_t size,
                       struct around_row* row) {
    static int number;
    char above[400];
    snprintf(above, sizeof(above), "%s", options->cgroup);
    char* end = strrchr(above, '/');
    if (agent == AROUND_OUTSIDE && end != NULL) *end = '\0';
    snprintf(folder, size, "%s/around-%d-%d", above, getpid(), ++number);
    struct stat made;
    if (mkdir(folder, 0755) != 0 || stat(folder, &made) != 0) return -1;
    row->cgroup_id = made.st_ino;
    char members[600];
    snprintf(members, sizeof(members), "%s/cgroup.procs", folder);
    return open(members, O_WRONLY | O_CLOEXEC);
}

static int try_one(struct world* world, const struct way* way, enum around_agent agent, int family, struct around_row* row) {
    char folder[512];
    const int members = make_cgroup(world->ground.options, agent, folder, sizeof(folder), row);
    int ends[2];
    if (members < 0 || pipe2(ends, O_CLOEXEC) != 0) return errno;
    world_look(world);
    world_is_redirected(world);
    const pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) {
        struct attempt attempt = {
            .ground = &world->ground, .family = family, .own_cgroup = folder, .held = -1, .kind = way->kind};
        if (dup2(ends[1], REPORT_DESCRIPTOR) < 0) _exit(1);
        be_agent(way, &attempt, agent, members);
    }
    setpgid(child, child);
    close(ends[1]);
    close(members);
    listen_to(world, ends[0], family, row);
    kill(-child, SIGKILL);
    int status = 0;
    if (waitpid(child, &status, 0) < 0) return errno;
    close(ends[0]);
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) row->signal = WTERMSIG(status);
    usleep(10000);  // packets in flight
    row->is_redirected = world_is_redirected(world);
    const struct seen seen = world_look(world);
    // The far host's own packets are answered by this one's kernel when it knocks.
    if ((way->flags & (INBOUND | MARKED)) == 0 && seen.has_packet) row->has_arrived = true;
    if ((way->flags & INBOUND) == 0 && seen.has_mark) row->has_arrived = true;
    remove_cgroup(folder);
    return 0;
}

static int try_way(struct world* world, const struct way* way) {
    const struct around_options* options = world->ground.options;
    const int families[] = {AF_INET, AF_INET6, AF_UNSPEC};
    const unsigned flags[] = {V4, V6, ONCE};
    for (int i = 0; i < 3; ++i) {
        if ((way->flags & flags[i]) == 0) continue;
        for (int agent = 0; agent < AROUND_AGENTS; ++agent) {
            if ((options->agents & (1U << agent)) == 0) continue;
            struct around_row row;
            memset(&row, 0, sizeof(row));
            row.way = way->name;
            row.what = way->what;
            row.agent = (enum around_agent)agent;
            row.family = families[i] == AF_INET ? 4 : families[i] == AF_INET6 ? 6 : 0;
            const int error = try_one(world, way, row.agent, families[i], &row);
            if (error != 0) return error;
            options->seen(&row, options->context);
        }
    }
    return 0;
}

static bool is_wanted(const struct way* way, const struct around_options* options) {
    if (options->only != NULL && strcmp(way->name, options->only) != 0) return false;
    if (options->only == NULL && (way->flags & BREAKS) != 0) return false;
    if (options->is_users_host && (way->flags & OTHERS) != 0) return false;
    return options->bpffs != NULL || (way->flags & PINNED) == 0;
}

static int try_kinds(struct world* world, const struct around_socket_kind* kinds, bool is_sent) {
    for (const struct around_socket_kind* kind = kinds; kind->name != NULL; ++kind) {
        const unsigned families = kind->domain == AF_INET ? V4 : kind->domain == AF_INET6 ? V6 : BOTH;
        const struct way way = {
            kind->name, kind->what, is_sent ? send_by_kind : open_of_kind, NULL, is_sent ? families : ONCE, kind};
        if (!is_wanted(&way, world->ground.options)) continue;
        const int error = try_way(world, &way);
        if (error != 0) return error;
    }
    return 0;
}

static int try_all(struct world* world) {
    for (size_t table = 0; table < TABLES; ++table) {
        for (const struct way* way = tables[table]; way->name != NULL; ++way) {
            if (!is_wanted(way, world->ground.options)) continue;
            const int error = try_way(world, way);
            if (error != 0) return error;
        }
    }
    const int error = try_kinds(world, around_inet_kinds, true);
    return error != 0 ? error : try_kinds(world, around_other_kinds, false);
}

int around_run(const struct around_options* options, char* why, size_t why_size) {
    struct world world;
    const char* stage = "";
    int error = world_make(&world, options, &stage);
    if (error == 0) {
        stage = "an attempt";
        error = try_all(&world);
    }
    world_end(&world);
    if (error != 0) snprintf(why, why_size, "%s: %s", stage, strerror(error));
    return error;
}

const char* around_result(const struct around_row* row) {
    if (row->has_arrived) return "leaks";
    if (row->is_redirected) return "redirected";
    if (row->has_opened) return "opens";
    return row->error != 0 || row->signal != 0 ? "refused" : "dropped";
}

const char* around_agent_name(enum around_agent agent) {
    static const char* const names[] = {"outside", "root", "user", "run"};
    return agent < AROUND_AGENTS ? names[agent] : "unknown";
}

const char* around_breaking_way(size_t index) {
    for (size_t table = 0; table < TABLES; ++table)
        for (const struct way* way = tables[table]; way->name != NULL; ++way)
            if ((way->flags & BREAKS) != 0 && index-- == 0) return way->name;
    return NULL;
}

// The battery by itself: tries every way around assent in a cgroup that somebody has governed, and prints what came of each.
// Needs the C library alone; root; and to be started in the daemon's cgroup. Exit code 0: everything was tried.
#include <errno.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "around/around.h"
#include "own_domain.h"

// What `assent run` lets its commands call, as the build made it from kernel/confine.cc.
static const struct sock_filter run_filter[] = {
#include "run_filter.inc"
};

static int confine(void* context) {
    (void)context;
    const int error = assent_enter_own_domain();
    if (error != 0 && error != EOPNOTSUPP && error != ENOSYS) return error;
    const struct sock_fprog program = {.len = sizeof(run_filter) / sizeof(run_filter[0]),
                                       .filter = (struct sock_filter*)run_filter};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : errno;
}

static void print_json(const struct around_row* row, void* context) {
    (void)context;
    const char* error = row->error == 0 ? "" : strerrorname_np(row->error);
    printf(
        "{\"way\":\"%s\",\"what\":\"%s\",\"agent\":\"%s\",\"family\":%d,\"result\":\"%s\",\"stage\":\"%s\",\"errno\":\"%"
        "s\",",
        row->way, row->what, around_agent_name(row->agent), row->family, around_result(row), row->stage,
        error == NULL ? "unknown" : error);
    printf("\"signal\":%d,\"arrived\":%s,\"redirected\":%s,\"opened\":%s,\"cgroup_id\":%llu}\n", row->signal,
           row->has_arrived ? "true" : "false", row->is_redirected ? "true" : "false", row->has_opened ? "true" : "false",
           row->cgroup_id);
    fflush(stdout);
}

static void print_line(const struct around_row* row, void* context) {
    (void)context;
    const char* error = row->error == 0 ? "" : strerrorname_np(row->error);
    const char* family = row->family == 4 ? "IPv4" : row->family == 6 ? "IPv6" : "";
    printf("%-22s %-8s %-5s %-11s %-16s %s\n", row->way, around_agent_name(row->agent), family, around_result(row),
           error == NULL ? "unknown" : error, row->stage);
    fflush(stdout);
}

// 0: there is none.
static int pinned_config(const char* bpffs) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/assent/maps/config", bpffs);
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.pathname = (unsigned long)path;
    const long map = syscall(SYS_bpf, BPF_OBJ_GET, &attributes, sizeof(attributes));
    return map < 0 ? 0 : (int)map;
}

static size_t read_ports(const char* text, unsigned short* ports, size_t limit) {
    size_t count = 0;
    for (char* end = NULL; *text != '\0' && count < limit; text = *end == ',' ? end + 1 : end) {
        const unsigned long port = strtoul(text, &end, 10);
        if (end == text || port == 0 || port > 65535) return 0;
        ports[count++] = (unsigned short)port;
    }
    return count;
}

static unsigned read_agents(const char* text) {
    unsigned out = 0;
    for (int agent = 0; agent < AROUND_AGENTS; ++agent)
        if (strstr(text, around_agent_name((enum around_agent)agent)) != NULL) out |= 1U << agent;
    return out;
}

static int usage(void) {
    fputs(
        "usage: assent_around --cgroup FOLDER --cgroup-root FOLDER --ports PORT,… [--bpffs FOLDER]\n"
        "                     [--agents outside,root,user,run] [--only WAY] [--json]\n"
        "       assent_around --breaking    prints the ways that have to be tried alone\n",
        stderr);
    return 2;
}

int main(int argc, char** argv) {
    unsigned short ports[16];
    struct around_options options = {.ports = ports, .agents = 15, .confine = confine, .seen = print_line};
    static const struct option names[] = {
        {"cgroup", 1, NULL, 'c'}, {"cgroup-root", 1, NULL, 'r'}, {"ports", 1, NULL, 'p'},
        {"bpffs", 1, NULL, 'b'},  {"agents", 1, NULL, 'a'},      {"only", 1, NULL, 'o'},
        {"json", 0, NULL, 'j'},   {"breaking", 0, NULL, 'l'},    {NULL, 0, NULL, 0},
    };
    for (int letter = 0; (letter = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (letter == 'c') options.cgroup = optarg;
        if (letter == 'r') options.cgroup_root = optarg;
        if (letter == 'p') options.port_count = read_ports(optarg, ports, sizeof(ports) / sizeof(ports[0]));
        if (letter == 'b') options.bpffs = optarg;
        if (letter == 'a') options.agents = read_agents(optarg);
        if (letter == 'o') options.only = optarg;
        if (letter == 'j') options.seen = print_json;
        if (letter == '?') return usage();
        for (size_t i = 0; letter == 'l' && around_breaking_way(i) != NULL; ++i) puts(around_breaking_way(i));
        if (letter == 'l') return 0;
    }
    if (options.bpffs != NULL) options.config = pinned_config(options.bpffs);
    if (options.cgroup == NULL || options.cgroup_root == NULL || options.port_count == 0) return usage();
    char why[256] = "";
    if (around_run(&options, why, sizeof(why)) == 0) return 0;
    fprintf(stderr, "assent_around: %s\n", why);
    return 1;
}

#include "around/world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"
#include "around/netlink.h"

static int new_network(int* descriptor) {
    if (unshare(CLONE_NEWNET) != 0) return errno;
    *descriptor = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (*descriptor < 0) return errno;
    // No duplicate address detection and no addresses of the kernel's own: nothing to wait for.
    write_file("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
    write_file("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1");
    write_file("/proc/sys/net/ipv6/conf/default/router_solicitations", "0");
    write_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
    return link_raise("lo");
}

static int add_addresses(const char* interface, const char* v4, const char* v6, const char* link) {
    int error = address_change(interface, v4, 24, true);
    if (error == 0) error = address_change(interface, v6, 64, true);
    if (error == 0) error = address_change(interface, link, 64, true);
    return error == 0 ? link_raise(interface) : error;
}

// In another network namespace than the daemon's less is allowed, and here the agents are to be on its host.
static int be_the_host(int config) {
    unsigned zero = 0;
    struct assent_config settings;
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.map_fd = (unsigned)config;
    attributes.key = (unsigned long)&zero;
    attributes.value = (unsigned long)&settings;
    if (syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attributes, sizeof(attributes)) < 0) return errno;
    const int here = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(settings.host_netns_cookie);
    const bool is_known = getsockopt(here, SOL_SOCKET, SO_NETNS_COOKIE, &settings.host_netns_cookie, &size) == 0;
    const int error = errno;
    close(here);
    if (!is_known) return error;
    return syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attributes, sizeof(attributes)) < 0 ? errno : 0;
}

static int listener_at(const char* ip, unsigned short port, int* list, int* count) {
    const struct place place = place_of(ip, port);
    const int out = socket(place.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(out, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (place.address.ss_family == AF_INET6) setsockopt(out, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (*count >= LISTENERS_MAXIMUM) return ENOSPC;
    if (out < 0 || bind(out, at(&place), place.size) != 0 || listen(out, 64) != 0) return errno;
    list[(*count)++] = out;
    return 0;
}

static int unix_listener(const struct place* place, struct world* world) {
    const int out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out < 0 || bind(out, at(place), place->size) != 0 || listen(out, 64) != 0) return errno;
    world->local[world->local_count++] = out;
    return 0;
}

static int open_far_side(struct world* world) {
    int error = add_addresses(FAR_INTERFACE, FAR4, FAR6, FAR_LINK6);
    if (error == 0) error = listener_at("0.0.0.0", FAR_PORT, world->far, &world->far_count);
    if (error == 0) error = listener_at("::", FAR_PORT, world->far, &world->far_count);
    if (error == 0) error = listener_at("0.0.0.0", 53, world->far, &world->far_count);
    if (error == 0) error = listener_at("::", 53, world->far, &world->far_count);
    if (error != 0) return error;
    world->sniffer = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
    const struct sockaddr_ll here = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(FAR_INTERFACE)};
    if (world->sniffer < 0 || bind(world->sniffer, (const struct sockaddr*)&here, sizeof(here)) != 0) return errno;
    return 0;
}

static int open_near_side(struct world* world) {
    const struct around_options* options = world->ground.options;
    int error = add_addresses(NEAR_INTERFACE, NEAR4, NEAR6, "fe80::1");
    if (error == 0) error = listener_at("0.0.0.0", LOCAL_PORT, world->local, &world->local_count);
    if (error == 0) error = listener_at("::", LOCAL_PORT, world->local, &world->local_count);
    for (size_t i = 0; i < options->port_count && error == 0; ++i) {
        error = listener_at("127.0.0.1", options->ports[i], world->proxy, &world->proxy_count);
        if (error == 0) error = listener_at("::1", options->ports[i], world->proxy, &world->proxy_count);
    }
    if (error == 0 && options->config != 0) error = be_the_host(options->config);
    return error;
}

static int open_unix_sockets(struct world* world) {
    snprintf(world->folder, sizeof(world->folder), "/tmp/assent-around-XXXXXX");
    if (mkdtemp(world->folder) == NULL || chmod(world->folder, 0755) != 0) return errno;
    snprintf(world->ground.unix_path, sizeof(world->ground.unix_path), "%s/service.sock", world->folder);
    snprintf(world->ground.abstract_name, sizeof(world->ground.abstract_name), "assent-around-%d", getpid());
    const struct place path = unix_place(world->ground.unix_path, false);
    const struct place name = unix_place(world->ground.abstract_name, true);
    int error = unix_listener(&path, world);
    if (error == 0 && chmod(world->ground.unix_path, 0777) != 0) error = errno;
    return error == 0 ? unix_listener(&name, world) : error;
}

static pid_t stand_in(bool is_ordinary) {
    const pid_t child = fork();
    if (child != 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(connected_out(AF_INET), STAND_IN_SOCKET) < 0) _exit(1);
    if (is_ordinary && (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0)) _exit(1);
    // As after execve().
    prctl(PR_SET_DUMPABLE, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) pause();
}

static bool is_reached(const char* ip) {
    const struct place to = place_of(ip, FAR_PORT);
    const int out = socket(to.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = 1, .tv_usec = 0};
    setsockopt(out, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(out, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    const bool is_connected = connect(out, at(&to), to.size) == 0;
    close(out);
    return is_connected;
}

// The kernel gives a new interface its routes when it finds the time; until then every way would seem to be closed.
static int wait_for_wire(struct world* world) {
    const char* const far[] = {FAR4, FAR6, FAR_LINK6};
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); ++i) {
        int tries = 0;
        while (!is_reached(far[i])) {
            if (++tries == 500) return ENETUNREACH;
            usleep(20000);
        }
    }
    usleep(50000);
    world_look(world);  // what came of it is not an attempt's
    return 0;
}

int world_make(struct world* world, const struct around_options* options, const char** stage) {
    memset(world, 0, sizeof(*world));
    world->ground.options = options;
    world->ground.runner = getpid();
    struct stat governed;
    *stage = "the governed cgroup";
    if (stat(options->cgroup, &governed) != 0) return errno;
    world->ground.governed_id = governed.st_ino;
    *stage = "a network namespace";
    int error = new_network(&world->ground.far_namespace);
    if (error == 0) error = new_network(&world->near_namespace);
    if (error != 0) return error;
    *stage = "a pair of interfaces";
    error = link_add_pair(NEAR_INTERFACE, near_mac, FAR_INTERFACE, far_mac, world->ground.far_namespace);
    if (error != 0) return error;
    *stage = "listening on this host";
    error = open_near_side(world);
    if (error != 0) return error;
    *stage = "listening on the other host";
    if (setns(world->ground.far_namespace, CLONE_NEWNET) != 0) return errno;
    error = open_far_side(world);
    if (setns(world->near_namespace, CLONE_NEWNET) != 0) return errno;
    if (error != 0) return error;
    *stage = "unix sockets";
    error = open_unix_sockets(world);
    if (error != 0) return error;
    *stage = "processes to stand in";
    world->ground.daemon = stand_in(false);
    world->ground.neighbour = stand_in(true);
    if (world->ground.daemon < 0 || world->ground.neighbour < 0) return EAGAIN;
    usleep(150000);  // until both have their sockets, and the interfaces have told who they are
    *stage = "reaching the other host";
    return wait_for_wire(world);
}

void world_end(struct world* world) {
    const pid_t processes[] = {world->ground.daemon, world->ground.neighbour};
    for (int i = 0; i < 2; ++i) {
        if (processes[i] <= 0) continue;
        kill(processes[i], SIGKILL);
        waitpid(processes[i], NULL, 0);
    }
    if (world->folder[0] == '\0') return;
    // Those of attempts as well.
    DIR* listing = opendir(world->folder);
    for (const struct dirent* entry = listing ? readdir(listing) : NULL; entry != NULL; entry = readdir(listing))
        unlinkat(dirfd(listing), entry->d_name, 0);
    if (listing != NULL) closedir(listing);
    rmdir(world->folder);
}

// The second is the end of the mark in the solicited-node group of an address that ends with it.
static bool has_mark(const unsigned char* bytes, size_t size) {
    return memmem(bytes, size, MARK, MARK_SIZE) != NULL || memmem(bytes, size, "\xfft!!", 4) != NULL;
}

// What a host says by itself on a new wire: who has an address, and which groups it listens to.
static bool is_of_the_kernel(const unsigned char* frame, size_t size) {
    const unsigned type = ((unsigned)frame[12] << 8) | frame[13];
    if (type == ETH_P_ARP) return true;
    if (type != ETH_P_IPV6 || size < 14 + sizeof(struct ip6_hdr)) return false;
    size_t offset = 14 + sizeof(struct ip6_hdr);
    unsigned next = frame[14 + 6];
    if (next == IPPROTO_HOPOPTS && offset + 8 < size) {
        next = frame[offset];
        offset += 8;
    }
    if (next != IPPROTO_ICMPV6 || offset >= size) return false;
    const unsigned message = frame[offset];
    return (message >= MLD_LISTENER_QUERY && message <= ND_REDIRECT) || message == 143;
}

static bool take_all(const int* listeners, int count) {
    bool has_taken = false;
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < count; ++i) {
        int in = -1;
        while ((in = accept4(listeners[i], NULL, NULL, SOCK_CLOEXEC)) >= 0) {
            has_taken = true;
            setsockopt(in, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
            close(in);
        }
    }
    return has_taken;
}

struct seen world_look(struct world* world) {
    struct seen out = {false, false};
    if (take_all(world->local, world->local_count)) out.has_packet = true;
    if (take_all(world->far, world->far_count)) out.has_packet = true;
    unsigned char frame[2048];
    struct sockaddr_ll from;
    socklen_t from_size = sizeof(from);
    ssize_t size = 0;
    while ((size = recvfrom(world->sniffer, frame, sizeof(frame), 0, (struct sockaddr*)&from, &from_size)) > 0) {
        from_size = sizeof(from);
        if (from.sll_pkttype == PACKET_OUTGOING || size < 14) continue;
        if (has_mark(frame, (size_t)size)) out.has_mark = true;
        if (!is_of_the_kernel(frame, (size_t)size)) out.has_packet = true;
    }
    return out;
}

bool world_is_redirected(struct world* world) { return take_all(world->proxy, world->proxy_count); }

static void knock_once(const char* ip, int type) {
    const struct place to = place_of(ip, INBOUND_PORT);
    const int out = socket(to.address.ss_family, type | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = 0, .tv_usec = 60000};
    setsockopt(out, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    // Whether somebody is there is the agent's to say.
    if (connect(out, at(&to), to.size) == 0 && send(out, MARK, MARK_SIZE, MSG_NOSIGNAL) < 0) errno = 0;
    close(out);
}

void world_knock(const struct world* world, int family) {
    const bool is_v6 = family == AF_INET6;
    for (int i = 0; i < 2; ++i) {
        const int type = i == 0 ? SOCK_DGRAM : SOCK_STREAM;
        knock_once(is_v6 ? "::1" : "127.0.0.1", type);
        if (setns(world->ground.far_namespace, CLONE_NEWNET) != 0) return;
        knock_once(is_v6 ? NEAR6 : NEAR4, type);
        if (setns(world->near_namespace, CLONE_NEWNET) != 0) abort();
    }
}

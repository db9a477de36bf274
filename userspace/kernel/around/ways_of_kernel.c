// Taking away what holds the agent: BPF links and their pins, the maps, routes, and interfaces that carry packets as files.
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "around/netlink.h"
#include "around/way.h"

static int call_bpf(enum bpf_cmd command, union bpf_attr* attributes) {
    return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static int make_map(struct attempt* attempt) {
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    if (call_bpf(BPF_MAP_CREATE, &attributes) < 0) return failed(attempt, "bpf");
    attempt->stage = "bpf";
    attempt->has_opened = true;
    return 0;
}

static bool is_of_governed(const struct attempt* attempt, int link) {
    struct bpf_link_info info;
    memset(&info, 0, sizeof(info));
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.info.bpf_fd = (unsigned)link;
    attributes.info.info_len = sizeof(info);
    attributes.info.info = (unsigned long)&info;
    return call_bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0 && info.type == BPF_LINK_TYPE_CGROUP &&
           info.cgroup.cgroup_id == attempt->ground->governed_id;
}

static int detach_links(struct attempt* attempt) {
    unsigned id = 0;
    attempt->stage = "bpf";
    while (true) {
        union bpf_attr next;
        memset(&next, 0, sizeof(next));
        next.start_id = id;
        if (call_bpf(BPF_LINK_GET_NEXT_ID, &next) != 0) {
            if (errno != ENOENT) return errno;
            break;
        }
        id = next.next_id;
        union bpf_attr open_one;
        memset(&open_one, 0, sizeof(open_one));
        open_one.link_id = id;
        const int link = call_bpf(BPF_LINK_GET_FD_BY_ID, &open_one);
        if (link < 0 || !is_of_governed(attempt, link)) continue;
        union bpf_attr detach;
        memset(&detach, 0, sizeof(detach));
        detach.link_detach.link_fd = (unsigned)link;
        if (call_bpf(BPF_LINK_DETACH, &detach) != 0) return errno;
    }
    return send_out(attempt);
}

static int remove_below(struct attempt* attempt, const char* folder, int depth) {
    DIR* listing = opendir(folder);
    if (listing == NULL) return failed(attempt, "opendir");
    int error = 0;
    for (struct dirent* entry = readdir(listing); entry != NULL && error == 0; entry = readdir(listing)) {
        char path[640];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (depth > 0)
            error = remove_below(attempt, path, depth - 1);
        else if (unlink(path) != 0)
            error = failed(attempt, "unlink");
    }
    closedir(listing);
    return error;
}

static int unpin(struct attempt* attempt) {
    char folder[256];
    snprintf(folder, sizeof(folder), "%s/assent/governed", attempt->ground->options->bpffs);
    const int error = remove_below(attempt, folder, 1);
    if (error != 0) return error;
    usleep(200000);  // the kernel lets go of them a moment later
    return send_out(attempt);
}

static int unmount_pins(struct attempt* attempt) {
    if (umount2(attempt->ground->options->bpffs, MNT_DETACH) != 0) return failed(attempt, "umount");
    usleep(50000);
    return send_out(attempt);
}

// The proxy's place for a service of the agent's choice.
static int rewrite_settings(struct attempt* attempt) {
    char path[256];
    snprintf(path, sizeof(path), "%s/assent/maps/config", attempt->ground->options->bpffs);
    union bpf_attr open_map;
    memset(&open_map, 0, sizeof(open_map));
    open_map.pathname = (unsigned long)path;
    const int map = call_bpf(BPF_OBJ_GET, &open_map);
    if (map < 0) return failed(attempt, "bpf");
    struct assent_config settings;
    memset(&settings, 0, sizeof(settings));
    const unsigned key = 0;
    union bpf_attr element;
    memset(&element, 0, sizeof(element));
    element.map_fd = (unsigned)map;
    element.key = (unsigned long)&key;
    element.value = (unsigned long)&settings;
    if (call_bpf(BPF_MAP_LOOKUP_ELEM, &element) != 0) return failed(attempt, "bpf");
    settings.port_count = 0;
    element.flags = BPF_ANY;
    if (call_bpf(BPF_MAP_UPDATE_ELEM, &element) != 0) return failed(attempt, "bpf");
    attempt->stage = "bpf";
    attempt->has_opened = true;
    return 0;
}

static int route_loopback_out(struct attempt* attempt) {
    attempt->stage = "netlink";
    const int removed = address_change("lo", "127.0.0.1", 8, false);
    if (removed != 0) return removed;
    write_file("/proc/sys/net/ipv4/conf/all/route_localnet", "1");
    const int added = route_add(NEAR_INTERFACE, "127.0.0.0", 8);
    if (added != 0) return added;
    const int socket = open_socket(attempt, AF_INET, SOCK_STREAM, 0);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

static int lead_loopback_out(struct attempt* attempt) {
    attempt->stage = "netlink";
    const int error = leave_by("lo", NEAR_INTERFACE);
    if (error != 0) return error;
    const int socket = open_socket(attempt, AF_INET, SOCK_STREAM, 0);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

struct datagram {
    struct iphdr ip;
    struct udphdr udp;
    char mark[MARK_SIZE];
};

static struct datagram forwarded_datagram(const char* from, const char* to) {
    struct datagram out;
    memset(&out, 0, sizeof(out));
    out.ip.version = 4;
    out.ip.ihl = 5;
    out.ip.tot_len = htons(sizeof(out));
    out.ip.ttl = 8;
    out.ip.protocol = IPPROTO_UDP;
    out.ip.saddr = inet_addr(from);
    out.ip.daddr = inet_addr(to);
    out.udp.source = out.udp.dest = htons(FAR_PORT);
    out.udp.len = htons(sizeof(out.udp) + MARK_SIZE);
    memcpy(out.mark, MARK, MARK_SIZE);
    unsigned sum = 0;
    unsigned short words[sizeof(out.ip) / 2];
    memcpy(words, &out.ip, sizeof(out.ip));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); ++i) sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    out.ip.check = (unsigned short)~((sum & 0xffff) + (sum >> 16));
    return out;
}

// Packets written into a file come into this host as if by a wire, and are routed on.
static int tunnel_device(struct attempt* attempt) {
    const int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (device < 0) return failed(attempt, "open");
    struct ifreq request;
    memset(&request, 0, sizeof(request));
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    memcpy(request.ifr_name, "around0", sizeof("around0"));
    if (ioctl(device, TUNSETIFF, &request) != 0) return failed(attempt, "ioctl");
    attempt->stage = "netlink";
    int error = address_change("around0", "10.231.8.1", 30, true);
    if (error == 0) error = link_raise("around0");
    if (error != 0) return error;
    write_file("/proc/sys/net/ipv4/ip_forward", "1");
    const struct datagram packet = forwarded_datagram("10.231.8.2", FAR4);
    if (write(device, &packet, sizeof(packet)) < 0) return failed(attempt, "write");
    attempt->stage = "write";
    return 0;
}

const struct way ways_of_kernel[] = {
    {"bpf-map", "bpf(): making a map", make_map, NULL, ONCE, NULL},
    {"bpf-detach", "bpf(): detaching the links", detach_links, NULL, ONCE | BREAKS | OTHERS, NULL},
    {"bpf-settings", "bpf(): the pinned settings", rewrite_settings, NULL, ONCE | BREAKS | OTHERS | PINNED, NULL},
    {"unpin", "removing the pins", unpin, NULL, ONCE | BREAKS | OTHERS | PINNED, NULL},
    {"unmount", "unmounting the BPF file system", unmount_pins, NULL, ONCE | BREAKS | OTHERS | PINNED, NULL},
    {"route-loopback", "routing loopback addresses out of the host", route_loopback_out, NULL, ONCE | BREAKS, NULL},
    {"redirect-loopback", "redirecting what loopback carries out of the host (tc)", lead_loopback_out, NULL, ONCE | BREAKS,
     NULL},
    {"tun", "packets by a TUN device, routed on", tunnel_device, NULL, ONCE | BREAKS, NULL},
    {NULL, NULL, NULL, NULL, 0, NULL},
};

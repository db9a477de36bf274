// UDP to anywhere: QUIC, tunnels in DNS, and what the kernel sends by itself because a socket asked for it.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "around/way.h"

static int datagram(struct attempt* attempt) { return open_socket(attempt, attempt->family, SOCK_DGRAM, 0); }

static int thrown(struct attempt* attempt, unsigned short port) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, port);
    return throw_at(attempt, socket, &to);
}

static int plain(struct attempt* attempt) { return thrown(attempt, FAR_PORT); }
static int quic(struct attempt* attempt) { return thrown(attempt, 443); }
static int dns(struct attempt* attempt) { return thrown(attempt, 53); }

static int connected(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

static int connected_dns(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, 53);
    return reach(attempt, socket, &to);
}

static int elsewhere_than_connected(struct attempt* attempt) {
    const int socket = open_socket(attempt, AF_INET, SOCK_DGRAM, 0);
    if (socket < 0) return errno;
    const struct place resolver = place_of(RESOLVER, 53);
    if (connect(socket, at(&resolver), resolver.size) != 0) return failed(attempt, "connect");
    const struct place to = far_place(attempt, FAR_PORT);
    return throw_at(attempt, socket, &to);
}

static int connected_anew(struct attempt* attempt) {
    const int socket = open_socket(attempt, AF_INET, SOCK_DGRAM, 0);
    if (socket < 0) return errno;
    const struct place resolver = place_of(RESOLVER, 53);
    if (connect(socket, at(&resolver), resolver.size) != 0) return failed(attempt, "connect");
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

static int corked(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    const int on = 1;
    const int off = 0;
    if (setsockopt(socket, SOL_UDP, UDP_CORK, &on, sizeof(on)) != 0) return failed(attempt, "setsockopt");
    const int error = throw_at(attempt, socket, &to);
    if (error != 0) return error;
    if (setsockopt(socket, SOL_UDP, UDP_CORK, &off, sizeof(off)) != 0) return failed(attempt, "uncork");
    return 0;
}

static int with_more(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    if (connect(socket, at(&to), to.size) != 0) return failed(attempt, "connect");
    if (send(socket, MARK, MARK_SIZE, MSG_MORE) < 0) return failed(attempt, "send more");
    return say(attempt, socket);
}

static int several(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    struct place to = far_place(attempt, FAR_PORT);
    struct iovec piece = {.iov_base = MARK, .iov_len = MARK_SIZE};
    struct mmsghdr messages[2];
    memset(messages, 0, sizeof(messages));
    for (int i = 0; i < 2; ++i) {
        messages[i].msg_hdr.msg_name = &to.address;
        messages[i].msg_hdr.msg_namelen = to.size;
        messages[i].msg_hdr.msg_iov = &piece;
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    if (sendmmsg(socket, messages, 2, 0) < 0) return failed(attempt, "sendmmsg");
    attempt->stage = "sendmmsg";
    return 0;
}

static int in_segments(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const int size = 4;
    if (setsockopt(socket, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)) != 0) return failed(attempt, "setsockopt");
    const struct place to = far_place(attempt, FAR_PORT);
    return throw_at(attempt, socket, &to);
}

static int v4_on_v6(struct attempt* attempt) {
    const int socket = open_socket(attempt, AF_INET6, SOCK_DGRAM, 0);
    if (socket < 0) return errno;
    const struct place to = place_of(FAR4, FAR_PORT);
    return throw_at(attempt, socket, &to);
}

static int mapped(struct attempt* attempt) {
    const int socket = open_socket(attempt, AF_INET6, SOCK_DGRAM, 0);
    if (socket < 0) return errno;
    const struct place to = place_of("::ffff:" FAR4, FAR_PORT);
    return throw_at(attempt, socket, &to);
}

static int link_local(struct attempt* attempt) {
    const int socket = open_socket(attempt, AF_INET6, SOCK_DGRAM, 0);
    if (socket < 0) return errno;
    const struct place to = place_of(FAR_LINK6, FAR_PORT);
    return throw_at(attempt, socket, &to);
}

static int by_device(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    if (setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, NEAR_INTERFACE, sizeof(NEAR_INTERFACE)) != 0)
        return failed(attempt, "setsockopt");
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

// To a resolver on this host's loopback, pushed out by the interface that a control message names.
static int packet_information(struct attempt* attempt) {
    const int socket = open_socket(attempt, AF_INET, SOCK_DGRAM, 0);
    if (socket < 0) return errno;
    struct place to = place_of(RESOLVER, 53);
    struct iovec piece = {.iov_base = MARK, .iov_len = MARK_SIZE};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control;
    memset(&control, 0, sizeof(control));
    struct msghdr message = {.msg_name = &to.address,
                             .msg_namelen = to.size,
                             .msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    const struct in_pktinfo by = {.ipi_ifindex = near_index()};
    memcpy(CMSG_DATA(header), &by, sizeof(by));
    if (sendmsg(socket, &message, 0) < 0) return failed(attempt, "sendmsg");
    attempt->stage = "sendmsg";
    return 0;
}

static int extension_headers(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const unsigned char options[16] = {0, 1, 0x3e, 12, 'a', 's', 's', 'e', 'n', 't', '!', '!'};
    if (setsockopt(socket, SOL_IPV6, IPV6_HOPOPTS, options, sizeof(options)) != 0) return failed(attempt, "setsockopt");
    const struct place to = far_place(attempt, FAR_PORT);
    return reach(attempt, socket, &to);
}

static int spliced(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const struct place to = far_place(attempt, FAR_PORT);
    if (connect(socket, at(&to), to.size) != 0) return failed(attempt, "connect");
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0 || write(pipe_ends[1], MARK, MARK_SIZE) < 0) return failed(attempt, "pipe");
    if (splice(pipe_ends[0], NULL, socket, NULL, MARK_SIZE, 0) < 0) return failed(attempt, "splice");
    attempt->stage = "splice";
    return 0;
}

static int from_port_53(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const struct place source = loopback_place(attempt, 53);
    if (bind(socket, at(&source), source.size) != 0) return failed(attempt, "bind");
    const struct place to = far_place(attempt, FAR_PORT);
    return throw_at(attempt, socket, &to);
}

static int broadcast(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const int on = 1;
    if (setsockopt(socket, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) != 0) return failed(attempt, "setsockopt");
    const struct place to = place_of("10.231.7.255", FAR_PORT);
    return throw_at(attempt, socket, &to);
}

static int multicast(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    const int index = near_index();
    const struct ip_mreqn by = {.imr_ifindex = index};
    const int set = attempt->family == AF_INET6 ? setsockopt(socket, SOL_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index))
                                                : setsockopt(socket, SOL_IP, IP_MULTICAST_IF, &by, sizeof(by));
    if (set != 0) return failed(attempt, "setsockopt");
    const struct place to = place_of(attempt->family == AF_INET6 ? MARK_GROUP6 : "239.7.7.7", FAR_PORT);
    return throw_at(attempt, socket, &to);
}

// Until the kernel has said it, and said it again when the socket is gone: later ways are to be seen alone.
static int announced(struct attempt* attempt, int socket) {
    usleep(150000);
    close(socket);
    usleep(1300000);
    attempt->stage = "setsockopt";
    return 0;
}

// The kernel itself tells the network which groups a socket joins, in packets that belong to no socket.
static int group(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    int set = 0;
    if (attempt->family == AF_INET6) {
        struct ipv6_mreq join = {.ipv6mr_interface = (unsigned)near_index()};
        inet_pton(AF_INET6, MARK_GROUP6, &join.ipv6mr_multiaddr);
        set = setsockopt(socket, SOL_IPV6, IPV6_ADD_MEMBERSHIP, &join, sizeof(join));
    } else {
        struct ip_mreqn join = {.imr_ifindex = near_index()};
        inet_pton(AF_INET, "239.7.7.7", &join.imr_multiaddr);
        set = setsockopt(socket, SOL_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join));
    }
    if (set != 0) return failed(attempt, "setsockopt");
    return announced(attempt, socket);
}

static int group_of_a_source(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    struct group_source_req join;
    memset(&join, 0, sizeof(join));
    join.gsr_interface = (unsigned)near_index();
    const bool is_v6 = attempt->family == AF_INET6;
    const struct place joined = place_of(is_v6 ? "ff35::7777" : "232.7.7.7", 0);
    const struct place source = place_of(is_v6 ? "fd00::6173:7365:6e74:2121" : "97.115.115.101", 0);
    memcpy(&join.gsr_group, &joined.address, sizeof(joined.address));
    memcpy(&join.gsr_source, &source.address, sizeof(source.address));
    if (setsockopt(socket, is_v6 ? SOL_IPV6 : SOL_IP, MCAST_JOIN_SOURCE_GROUP, &join, sizeof(join)) != 0)
        return failed(attempt, "setsockopt");
    return announced(attempt, socket);
}

static int anycast(struct attempt* attempt) {
    const int socket = datagram(attempt);
    if (socket < 0) return errno;
    struct ipv6_mreq join = {.ipv6mr_interface = (unsigned)near_index()};
    inet_pton(AF_INET6, "fd0a:7e57::6173:7365:6e74:2121", &join.ipv6mr_multiaddr);
    if (setsockopt(socket, SOL_IPV6, IPV6_JOIN_ANYCAST, &join, sizeof(join)) != 0) return failed(attempt, "setsockopt");
    return announced(attempt, socket);
}

const struct way ways_of_udp[] = {
    {"udp", "UDP", plain, NULL, BOTH, NULL},
    {"udp-connected", "UDP, connected", connected, NULL, BOTH, NULL},
    {"udp-443", "UDP to port 443 (QUIC)", quic, NULL, BOTH, NULL},
    {"udp-53", "UDP to port 53 of another host", dns, NULL, BOTH, NULL},
    {"udp-53-connected", "UDP to port 53 of another host, connected", connected_dns, NULL, BOTH, NULL},
    {"udp-elsewhere", "UDP connected to a resolver, sent elsewhere", elsewhere_than_connected, NULL, V4, NULL},
    {"udp-anew", "UDP connected to a resolver, then elsewhere", connected_anew, NULL, V4, NULL},
    {"udp-cork", "UDP, UDP_CORK", corked, NULL, BOTH, NULL},
    {"udp-more", "UDP, MSG_MORE", with_more, NULL, BOTH, NULL},
    {"udp-sendmmsg", "UDP, sendmmsg()", several, NULL, BOTH, NULL},
    {"udp-segments", "UDP, UDP_SEGMENT", in_segments, NULL, BOTH, NULL},
    {"udp-v4-on-v6", "UDP to an IPv4 address on an IPv6 socket", v4_on_v6, NULL, V6, NULL},
    {"udp-mapped", "UDP to a v4-mapped address", mapped, NULL, V6, NULL},
    {"udp-link-local", "UDP to a link-local address", link_local, NULL, V6, NULL},
    {"udp-device", "UDP, SO_BINDTODEVICE", by_device, NULL, BOTH, NULL},
    {"udp-pktinfo", "UDP to a resolver on loopback, IP_PKTINFO", packet_information, NULL, V4, NULL},
    {"udp-extension", "UDP with IPv6 hop-by-hop options", extension_headers, NULL, V6, NULL},
    {"udp-splice", "UDP, splice()", spliced, NULL, BOTH, NULL},
    {"udp-from-53", "UDP from source port 53", from_port_53, NULL, BOTH, NULL},
    {"udp-broadcast", "UDP, broadcast", broadcast, NULL, V4, NULL},
    {"udp-multicast", "UDP, multicast", multicast, NULL, BOTH, NULL},
    {"group", "joining a multicast group, which the kernel announces", group, NULL, BOTH, NULL},
    {"group-source", "joining a group of one source, announced too", group_of_a_source, NULL, BOTH, NULL},
    {"anycast", "joining an anycast address", anycast, NULL, V6, NULL},
    {NULL, NULL, NULL, NULL, 0, NULL},
};
